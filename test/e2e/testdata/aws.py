"""Runs the AWS CLI for one call after another, each in a process of its own that is forked from one which has the CLI
loaded: most of what a call costs is Python's start and the CLI's imports.

    python aws.py SOCKET

A client sends the descriptors of the call's standard output and error with one byte, then the JSON of {"args", "env"} in a line, and
reads the exit code when the call ends. The program ends when its standard input does."""
import array
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback

import awscli
import awscli.clidriver

awscli.clidriver.create_clidriver()  # imports what the CLI imports late


def call(conn):
    _, rights, _, _ = conn.recvmsg(1, socket.CMSG_SPACE(2 * array.array("i").itemsize))
    fds = array.array("i")
    fds.frombytes(rights[0][2])
    null = os.open(os.devnull, os.O_RDONLY)
    for fd, to in ((null, 0), (fds[0], 1), (fds[1], 2)):
        os.dup2(fd, to)
        os.close(fd)
    request = json.loads(conn.makefile().readline())
    os.environ.clear()
    os.environ.update(request["env"])
    importlib.reload(awscli)  # it puts where its data is into the environment
    sys.argv = ["aws"] + request["args"]
    try:
        code = awscli.clidriver.main()
    except SystemExit as e:
        code = e.code
    except BaseException:
        traceback.print_exc()
        code = 255
    sys.stdout.flush()
    sys.stderr.flush()
    conn.sendall(str(code or 0).encode())


listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
print("ready", flush=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a call's process
while True:
    ready, _, _ = select.select([listener, sys.stdin], [], [])
    if sys.stdin in ready:
        break
    conn, _ = listener.accept()
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener.close()
        try:
            call(conn)
        finally:
            os._exit(0)
    conn.close()
