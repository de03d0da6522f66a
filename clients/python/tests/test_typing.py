"""A user's strict type checker passes generated code, and a program that uses it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Fields whose names are words of Python, maps, oneofs, optional and repeated fields, nested and imported types, all kinds of call.
_PROTO = """
syntax = "proto3";
package example.users.v1;
import "google/protobuf/timestamp.proto";
service UserService {
  rpc Get(GetRequest) returns (GetResponse);
  rpc Watch(GetRequest) returns (stream GetResponse);
  rpc Add(stream GetRequest) returns (GetResponse);
  rpc Sync(stream GetRequest) returns (stream GetResponse);
}
message GetRequest { string from = 1; repeated int64 ids = 2; map<string, bytes> tags = 3; optional bool class = 4; }
message GetResponse {
  message Row { google.protobuf.Timestamp at = 1; }
  enum Kind { KIND_UNSPECIFIED = 0; KIND_USER = 1; }
  repeated Row rows = 1;
  oneof state { string text = 2; Kind kind = 3; }
}
"""
_PROGRAM = """
import asyncio
from collections.abc import AsyncIterator

import dswarm
from dswarm.example.v1.chat_pb2 import JoinResponse
from dswarm.v1.dht_pb2 import FindValueResponse
from users_dswarm import UserServiceBase, UserServiceClient
from users_pb2 import GetRequest, GetResponse


class Users(UserServiceBase):
    async def get(self, request: GetRequest, context: dswarm.ServerContext) -> GetResponse:
        return GetResponse(rows=[GetResponse.Row()], text=request.tags["a"].decode())

    async def watch(self, request: GetRequest, context: dswarm.ServerContext) -> AsyncIterator[GetResponse]:
        yield GetResponse(kind=GetResponse.KIND_USER)


async def main() -> None:
    async with dswarm.connect("dswarm://…", services=[Users()]) as connection:
        client = UserServiceClient(connection)
        answer = await client.get(GetRequest(ids=[1], tags={"a": b"b"}))
        print(answer.text, len(answer.rows), JoinResponse().text, FindValueResponse().records)
        async for each in client.watch(GetRequest()):
            print(each.WhichOneof("state"))


asyncio.run(main())
"""


def test_a_users_program_and_its_generated_code_pass_a_strict_type_checker(tmp_path: Path) -> None:
    (tmp_path / "users.proto").write_text(_PROTO)
    (tmp_path / "main.py").write_text(_PROGRAM)
    scripts = Path(sys.executable).parent
    plugins = [f"--plugin={name}={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-dswarm-python")]
    outputs = [f"--{name}_out=." for name in ("python", "mypy", "dswarm-python")]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", *plugins, *outputs, "-I.", "users.proto"]
    subprocess.run(protoc, cwd=tmp_path, check=True, capture_output=True)
    # As pip installs the package: with its marker and its stubs, and not among the checked files.
    site = tmp_path / "site"
    shutil.copytree(ROOT / "clients/python/dswarm", site / "dswarm", ignore=shutil.ignore_patterns("__pycache__"))
    mypy = [sys.executable, "-m", "mypy", "--strict", "main.py", "users_dswarm.py", "users_pb2.pyi", "--cache-dir", "cache"]
    checked = subprocess.run(mypy, cwd=tmp_path, env={"MYPYPATH": str(site)}, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_packages_own_stubs_pass_a_strict_type_checker(tmp_path: Path) -> None:
    stubs = [str(path) for path in (ROOT / "clients/python/dswarm").rglob("*_pb2.pyi")]
    assert len(stubs) >= 8
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--explicit-package-bases",
        "--cache-dir",
        str(tmp_path),
    ]
    checked = subprocess.run([*mypy, *stubs], cwd=ROOT / "clients/python", capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
