"""Opens a storage as Go's tests name it: by the path of a file or the URL of a database."""
import optuna


def storage(at):
    for scheme, driver in ("postgres://", "postgresql+psycopg://"), ("mysql://", "mysql+pymysql://"):
        if at.startswith(scheme):
            return optuna.storages.RDBStorage(at.replace(scheme, driver, 1))
    return optuna.storages.RDBStorage("sqlite:///" + at, engine_kwargs={"connect_args": {"timeout": 60}})
