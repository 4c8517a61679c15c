"""A line for each check: `ok NAME` or `not ok NAME: why`."""

import asyncio
import sys
import traceback

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def main():
    failed = False
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            asyncio.run(asyncio.wait_for(function(), 120))
            print(f"ok {name}", flush=True)
        except BaseException as error:  # a check may fail in any way
            failed = True
            traceback.print_exc()
            print(f"not ok {name}: {type(error).__name__} {error}", flush=True)
    sys.exit(failed)
