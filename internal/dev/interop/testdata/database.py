"""Opens a storage as Go's tests name it: by the path of a file or the URL of a database."""
import optuna


def storage(at):
    if at.startswith("postgres://"):
        return optuna.storages.RDBStorage(at.replace("postgres://", "postgresql+psycopg://", 1))
    return optuna.storages.RDBStorage("sqlite:///" + at, engine_kwargs={"connect_args": {"timeout": 60}})
