"""One server of the cloud: ``serve.py keystone|cinder PORT CONFIGURATION-FILE``.

It runs in the virtual environment that `cloud.py` makes. Cinder's scheduler and volume service run
as threads of its API: the messages between them then stay in memory, and no broker is needed.
A file `latency` beside the configuration holds the seconds that each request takes longer.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import waitress  # type: ignore[import-untyped]
from oslo_db.sqlalchemy import enginefacade  # type: ignore[import-not-found]
from sqlalchemy import event, text  # type: ignore[import-not-found]


def _writers_wait() -> None:
    """Let a second writer wait for the first.

    SQLite refuses at once a transaction that has read and then wants to write while another one
    writes (https://www.sqlite.org/lang_transaction.html), so writers take the lock as they begin.
    """
    factory = enginefacade._TransactionFactory
    plain = factory._create_session

    def take_the_lock(_session: Any, _transaction: Any, connection: Any) -> None:
        if not connection.in_nested_transaction():
            connection.execute(text("ROLLBACK"))
            connection.execute(text("BEGIN IMMEDIATE"))

    def create_session(self: Any, mode: Any, bind: Any = None) -> Any:
        session = plain(self, mode, bind)
        if mode is enginefacade._WRITER:
            event.listen(session, "after_begin", take_the_lock)
        return session

    factory._create_session = create_session


def _keystone() -> Any:
    from keystone.server import wsgi  # type: ignore[import-not-found]  # noqa: PLC0415

    os.environ["OS_KEYSTONE_CONFIG_FILES"] = sys.argv[2]
    return wsgi.initialize_public_application()


def _cinder() -> Any:
    # Before Cinder's other modules: it changes how threads come to be.
    from cinder import monkey_patch  # type: ignore[import-not-found]  # noqa: PLC0415

    monkey_patch.patch(backend="threading")
    from cinder import service  # noqa: PLC0415
    from cinder.wsgi import wsgi  # type: ignore[import-not-found]  # noqa: PLC0415

    app = wsgi.initialize_application()
    # The volume service first: the scheduler asks it what it can hold.
    volumes = service.Service.create(
        host="ci@stub", service_name="stub", binary="cinder-volume", coordination=True
    )
    for one in (volumes, service.Service.create(binary="cinder-scheduler")):
        one.start()
    return app


def _slowed(app: Any, latency: Path) -> Any:
    def answer(environ: Any, start_response: Any) -> Any:
        with suppress(FileNotFoundError):
            time.sleep(float(latency.read_text()))  # noqa: TID251  # as a long line would
        return app(environ, start_response)

    return answer


if __name__ == "__main__":
    _role, _port, _configuration = sys.argv[1:]
    sys.argv[1:] = ["--config-file", _configuration]  # both read it on their own
    _writers_wait()
    waitress.serve(
        _slowed(
            {"keystone": _keystone, "cinder": _cinder}[_role](),
            Path(_configuration).with_name("latency"),
        ),
        host="127.0.0.1",
        port=int(_port),
        threads=16,
    )
