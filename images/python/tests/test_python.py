"""Real work by the image's Python, inside a container under the run contract."""

import json
from pathlib import Path

import pytest

TLS = Path(__file__).parent / "tls"
NOT_THERE = {
    *("antigravity", "this"),  # a browser, and a poem
    *("idlelib", "tkinter", "turtle", "turtledemo", "_tkinter"),  # need a display
    *("ensurepip", "venv"),  # install packages
    *("_dbm", "_gdbm"),  # other Debian packages
    *("_pyrepl", "curses", "_curses", "_curses_panel", "readline"),  # an interactive terminal
    *("_lsprof", "_testcapi", "_xxtestfuzz"),
    *("msvcrt", "nt", "_winapi", "winreg", "winsound", "_overlapped", "_scproxy", "_wmi", "nturl2path"),
    *("_android_support", "_apple_support", "_ios_support"),
}
"""Names of the standard library that a server's Python on Linux may lack."""


@pytest.mark.python("import json, sys; print(json.dumps(sys.version_info[:2]))")
def test_it_is_the_version_that_was_asked_for(answer):
    assert answer == [3, 13]


@pytest.mark.control("python-startup")
@pytest.mark.python("""
        import json, sys
        flags = sys.flags
        print(json.dumps([bool(flags.safe_path), bool(flags.no_user_site), "" in sys.path]))
    """)
def test_nobody_slips_code_into_the_start(answer):
    assert answer == [True, True, False]


@pytest.mark.control("no-package-manager")
@pytest.mark.python("""
        import importlib.util, json
        names = ("pip", "ensurepip", "setuptools")
        print(json.dumps([name for name in names if importlib.util.find_spec(name)]))
    """)
def test_python_has_no_installer(answer):
    assert answer == []


@pytest.mark.python("import json, time; print(json.dumps([time.tzname[0], time.timezone]))")
def test_local_time_is_utc(answer):
    assert answer == ["UTC", 0]


@pytest.mark.python("import json, locale; print(json.dumps(bool(locale.setlocale(locale.LC_ALL, ''))))")
def test_the_locale_of_the_environment_exists(answer):
    assert answer is True


@pytest.mark.python("""
        import json, locale, sys
        with open("/tmp/text", "w") as file:
            file.write("ß☃")
        preferred = locale.getpreferredencoding()
        names = [sys.stdout.encoding, sys.getfilesystemencoding(), file.encoding, preferred]
        print(json.dumps(["ß☃", *(name.lower() for name in names)]))
    """)
def test_text_is_utf_8_everywhere(answer):
    assert answer == ["ß☃", *["utf-8"] * 4]


@pytest.mark.python(
    """
        import contextlib, importlib, io, json, sys, warnings
        warnings.simplefilter("ignore")
        failed = {}
        for name in sorted(sys.stdlib_module_names - set(json.loads(sys.argv[1]))):
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    importlib.import_module(name)
            except Exception as error:
                failed[name] = str(error)
        print(json.dumps(failed))
    """,
    json.dumps(sorted(NOT_THERE)),
    stays=True,
)
def test_the_standard_library_loads(answer):
    assert answer == {}


AUTHORITY, SERVER = ((TLS / name).read_text() for name in ("authority.pem", "server.pem"))


@pytest.mark.python(
    """
    import json, socket, ssl, sys, threading
    authority, chain = sys.argv[1:]
    with open("/tmp/server.pem", "w") as file:
        file.write(chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain("/tmp/server.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _ in range(2):
            plain, _ = listener.accept()
            try:
                with server.wrap_socket(plain, server_side=True) as secure:
                    secure.sendall(b"hello " + secure.recv(100))
            except OSError:
                pass  # the client that doesn't trust us hangs up

    threading.Thread(target=serve, daemon=True).start()

    def ask(context):
        with socket.create_connection(listener.getsockname(), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(b"world")
                return [secure.recv(100).decode(), secure.version()]

    bundle = ssl.create_default_context()
    try:
        without = ask(bundle)
    except ssl.SSLCertVerificationError as error:
        without = error.verify_message
    added = ssl.create_default_context()
    added.load_verify_locations(cadata=authority)
    print(json.dumps([len(bundle.get_ca_certs()), without, ask(added)]))
""",
    AUTHORITY,
    SERVER,
)
def test_tls_trusts_the_image_s_bundle_and_what_is_added_to_it(answer):
    certificates, without, said = answer
    assert certificates > 100, "the CA bundle is not loaded"
    assert "unable to get local issuer certificate" in without
    assert said == ["hello world", "TLSv1.3"]


@pytest.mark.python("""
        import json
        from datetime import datetime
        from zoneinfo import ZoneInfo, available_timezones
        zone = ZoneInfo("Europe/Berlin")
        hours = [datetime(2026, month, 1, tzinfo=zone).utcoffset().total_seconds() / 3600 for month in (1, 7)]
        print(json.dumps([hours, len(available_timezones()) > 300]))
    """)
def test_time_zones_know_summer_and_winter(answer):
    assert answer == [[1, 2], True]


@pytest.mark.python("""
        import getpass, grp, json, os, pathlib, pwd
        user = pwd.getpwuid(os.getuid())
        print(json.dumps([getpass.getuser(), str(pathlib.Path.home()), user.pw_uid,
                          grp.getgrgid(os.getgid()).gr_gid]))
    """)
def test_the_user_has_a_name_and_a_home(answer, contract):
    uid, _, gid = contract.user.partition(":")
    assert answer == ["nonroot", "/home/nonroot", int(uid), int(gid)]


@pytest.mark.python("""
        import json, multiprocessing
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(8) as threads:
            total = sum(threads.map(lambda number: number * number, range(1000)))
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=queue.put, args=(total,))
        child.start()
        child.join(30)
        print(json.dumps([total, queue.get(), child.exitcode]))
    """)
def test_threads_and_processes_work_together(answer):
    assert answer == [332833500, 332833500, 0]


@pytest.mark.python("""
        import json, sqlite3, tempfile
        with tempfile.TemporaryDirectory() as folder:
            base = sqlite3.connect(folder + "/base")
            base.execute("create table pairs (name text, number integer)")
            base.executemany("insert into pairs values (?, ?)", [("a", 1), ("b", 2)])
            base.commit()
            print(json.dumps([folder.startswith("/tmp/"),
                              base.execute("select sum(number) from pairs").fetchone()[0]]))
            base.close()
    """)
def test_sqlite_keeps_a_database_in_scratch_space(answer):
    assert answer == [True, 3]


@pytest.mark.python("""
        import json, socket
        print(json.dumps([socket.gethostbyname("localhost"), socket.getservbyname("https"),
                          socket.getprotobyname("tcp")]))
    """)
def test_names_of_hosts_and_services_are_found(answer):
    assert answer == ["127.0.0.1", 443, 6]


@pytest.mark.python("""
        import bz2, hashlib, json, lzma, zlib
        data = b"temper" * 1000
        same = [module.decompress(module.compress(data)) == data for module in (bz2, lzma, zlib)]
        print(json.dumps([same, hashlib.sha256(b"").hexdigest()[:8], hashlib.blake2b(b"").hexdigest()[:8]]))
    """)
def test_compression_and_hashes_are_compiled_in(answer):
    assert answer == [[True, True, True], "e3b0c442", "786a02f7"]


@pytest.mark.python("""
        import errno, json, os, sysconfig
        def refused(path):
            try:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            except OSError as error:
                return errno.errorcode[error.errno] in ("EROFS", "EACCES")
            return False
        folders = [sysconfig.get_path("stdlib"), "/usr/bin", "/etc", "/"]
        print(json.dumps([refused(folder + "/new") for folder in folders]))
    """)
def test_code_can_not_be_changed(answer):
    assert answer == [True] * 4


@pytest.mark.python("""
        import json, subprocess, sys
        done = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, check=True)
        print(json.dumps(int(done.stdout)))
    """)
def test_a_program_starts_another_without_a_shell(answer):
    assert answer == 42


@pytest.mark.control("no-shell")
@pytest.mark.python("""
        import json, subprocess
        try:
            subprocess.run("true", shell=True)
            print(json.dumps("ran"))
        except FileNotFoundError as error:
            print(json.dumps(error.filename))
    """)
def test_there_is_no_shell_to_inject_into(answer):
    assert answer == "/bin/sh"
