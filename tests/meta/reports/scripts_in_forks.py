"""Run scripts in forks of one process, which has imported their framework.

The arguments are the framework and the scripts. For each script it prints a line of JSON: the script, its exit code,
its output and its errors.
"""

import importlib
import json
import os
import runpy
import sys
import tempfile
import traceback


def run(path):
    """Run a script as Python does, and end this process."""
    code = 0
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if not isinstance(ended.code, int | None):
            print(ended.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - this is the end of the process
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def read(file):
    """The text that was written to a file, whatever its bytes."""
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def main(framework, *paths):
    """Run the scripts, one after the other."""
    importlib.import_module(framework)
    for path in paths:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if not child:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                run(path)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(json.dumps([path, code, read(out), read(err)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
