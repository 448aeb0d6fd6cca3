#!/usr/bin/env python3
"""trim_set.py FROM TO [--workload] [SEGMENT ...]

Copies a recorded set into fixtures: the named segments (by id; all without any), their _cdc.idx, the schema in all its forms, a
keystore, and what the oracle says of the segments kept. Lines of other segments go, and the summary is counted again from what
is left. --workload takes the statements along. Everything but idx and keystore is compressed with zstd -19.
"""
import gzip, json, re, shutil, subprocess, sys
from pathlib import Path

SEGMENT = re.compile(r'CommitLog-\d+-(\d+)(\.log|_cdc\.idx)')


def zstd(data, target):
    subprocess.run(['zstd', '-19', '-q', '-f', '-', '-o', f'{target}.zst'], input=data, check=True)


def read(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == '.gz' else path.read_bytes()


def rows(update):
    static = [update['static_row']] if update['static_row'] else []
    return update['rows'], update['rows'] + static


def count(lines):
    """The summary of these lines, as tests/lab/oracle writes it."""
    summary = dict(kind='summary', segments=0, mutations=0, updates=0, rows=0, cells=0)
    skipped, errors, mutations = {}, 0, set()
    for line in lines:
        kind = line['kind']
        if kind == 'segment':
            summary['segments'] += 1
        elif kind == 'update':
            mutations.add((line['segment'], line['position']))
            summary['updates'] += 1
            regular, every = rows(line)
            summary['rows'] += len(regular)
            summary['cells'] += sum(len(row['cells']) for row in every)
        elif kind == 'skipped':
            skipped[line['unknown_table_id']] = skipped.get(line['unknown_table_id'], 0) + 1
        elif kind == 'error':
            errors += 1
    summary['mutations'] = len(mutations)
    return summary | dict(skipped_mutations_unknown_table=sum(skipped.values()), skipped_by_table_id=skipped, errors=errors)


def trim(oracle, kept):
    """The oracle's lines about the kept segments, unchanged, and a summary."""
    texts = oracle.decode().splitlines()
    *lines, summary = map(json.loads, texts)
    # What is counted is what the oracle counts, or the numbers mean something else.
    if count(lines) != summary:
        sys.exit(f'trim_set.py: the summary is {summary}, counted again it is {count(lines)}')
    pairs = [(text, line) for text, line in zip(texts, lines) if not kept or SEGMENT.match(line['segment'])[1] in kept]
    last = json.dumps(count(line for _, line in pairs), separators=(',', ':'))
    return '\n'.join([text for text, _ in pairs] + [last, '']).encode()


def main(source, target, workload, kept):
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(path for path in source.iterdir() if path.is_file()):
        name = path.name.removesuffix('.gz')
        segment = SEGMENT.fullmatch(name)
        if segment and kept and segment[1] not in kept:
            continue
        if segment and segment[2] == '_cdc.idx' or name.startswith('keystore') or name == 'tde.yaml':
            shutil.copyfile(path, target / name)
        elif name.startswith('oracle'):
            zstd(trim(read(path), kept), target / name)
        elif segment or name.startswith('schema') or workload and name == 'workload.txt':
            zstd(read(path), target / name)


if __name__ == '__main__':
    names = [argument for argument in sys.argv[1:] if argument != '--workload']
    if len(names) < 2:
        sys.exit(__doc__)
    main(Path(names[0]), Path(names[1]), '--workload' in sys.argv, set(names[2:]))
