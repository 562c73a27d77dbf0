"""Whatever stands in the environment and in clouds.yaml: settings, or one of our errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evs_snap.errors import ConfigurationError
from evs_snap.settings import load_settings
from evs_snap.settings.clouds import PROFILES
from evs_snap.settings.sources import KEYS, OTHER_TOOLS

EXAMPLES = int(os.environ.get("EVS_SNAP_EXAMPLES", "500"))

# All that an operating system lets through: no NUL, and bytes that are no text as surrogates.
any_text = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
    max_size=12,
)
likely = st.sampled_from(
    ["", "x", "0", "true", "v3", "eu-de", "cn-north-4", "otc", "password", "token", "aksk",
     "agency", "https://iam.example.com/v3", "http://127.0.0.1", "http://[::1",
     "https://u:p@x", "https://iam.{region_name}.x", "{region_name}", "//", "clouds.yaml", "/", "."]
)  # fmt: skip
variables = {f"OS_{name.upper()}" for names in KEYS.values() for name in names}
variables |= {"EVS_SNAP_ALLOW_HTTP", "EVS_SNAP_METADATA_URL"}
variables |= {name for names in OTHER_TOOLS for name in names.values()}
files = ["OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "HUAWEICLOUD_SDK_CREDENTIALS_FILE"]
environments = st.dictionaries(
    st.sampled_from(sorted(variables)) | st.sampled_from(["OS_CLOUD", "HOME", *files]),
    likely | any_text,
    max_size=12,
)

keys = {name for names in KEYS.values() for name in names}
keys |= {name.replace("_", "-") for name in keys}
names = st.sampled_from(
    sorted(keys | {"auth", "profile", "cloud", "regions", "name", "values", "evs_snap", "limit"})
)
scalars = likely | any_text | st.none() | st.booleans() | st.integers() | st.dates() | st.binary()
values = st.recursive(
    scalars | st.sampled_from(sorted(PROFILES)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6),
    max_leaves=20,
)
trees = st.fixed_dictionaries(
    {"clouds": values | st.dictionaries(st.sampled_from("xy"), st.dictionaries(names, values))}
)
texts = st.one_of(
    trees.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")),
    st.lists(
        st.sampled_from(
            ["clouds:", "{", "}", "x:", "&a", "*a", "auth:", "[", "]", "!!int", "!!set", "<<:", ",",
             "\n", " ", "profile:", "otc", "'", "? ", "- ", "!!binary", "!!timestamp"]
        )
    ).map(lambda words: "".join(words).encode()),
    st.binary(),
)  # fmt: skip


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    environ=environments,
    files=st.fixed_dictionaries(
        {"clouds.yaml": texts}, optional={"secure.yaml": texts, "clouds-public.yaml": texts}
    ),
    cloud=st.none() | likely,
)
def test_any_environment_and_any_clouds_yaml_give_settings_or_a_clear_error(
    environ: dict[str, str], files: dict[str, bytes], cloud: str | None
) -> None:
    """Property: nothing else is raised, and no secret of the environment is in the message."""
    for name in ("clouds.yaml", "secure.yaml", "clouds-public.yaml"):
        Path(name).unlink(missing_ok=True)
    for name, content in files.items():
        Path(name).write_bytes(content)
    secret = "s3cret-of-the-environment"
    given_secrets: dict[str, Any] = {
        name: secret
        for name in ("OS_PASSWORD", "OS_SECRET_KEY", "HW_SECRET_KEY")
        if name in environ
    }
    try:
        loaded = load_settings({"HOME": ".", **environ, **given_secrets}, cloud=cloud)
    except ConfigurationError as error:
        told = f"{error.message} {error.hint} {error.details}"
    else:
        told = f"{loaded!r} {loaded.sign_in}"
    assert secret not in told
