"""A fresh process up to its first answer; prints the processor time that took, in seconds.

python -m benchmarks.first_answer SUBJECT read|write DIRECTORY
"""

import sys
import time
from pathlib import Path

from benchmarks.subjects import open_subject


def main(name: str, kind: str, directory: Path) -> None:
    subject = open_subject(name, directory)
    answer = "written"
    if kind == "read":
        answer = subject.read(1)
    else:
        subject.write(1)
    sys.stdout.write(f"{time.process_time()} {answer}\n")
    sys.stdout.flush()
    subject.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
