# SPDX-License-Identifier: Apache-2.0
"""Forms as browsers and clients send them (multipart/form-data)."""
BOUNDARY = "------boundary0123"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def field(name, value):
    return (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
            + str(value).encode() + b"\r\n")


def file(content, name="file", label="a.wav"):
    return (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{label}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode() + content + b"\r\n")


def form(*parts):
    """Parts: (name, value) for a field, bytes for what is a part already."""
    return (b"".join(part if isinstance(part, bytes) else field(*part) for part in parts)
            + f"--{BOUNDARY}--\r\n".encode())
