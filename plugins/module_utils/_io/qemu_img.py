import json, os, subprocess
from .._core.errors import ImageError
def _run(c, what):
    d = subprocess.run(c, capture_output=True, text=True, check=False)
    if d.returncode: raise ImageError(f"cannot {what}: {' '.join(d.stderr.split())}")
def convert(sp, sf, tp, tf):
    src={"driver": sf, "file": {"driver":"file","filename":sp}}
    if sf in ("qcow","qcow2","vmdk"): src["backing"]=None
    _run(["qemu-img","convert","-O",tf,f"json:{json.dumps(src)}",tp], f"convert {sp}")
def grow(path, format, capacity): _run(["qemu-img","resize","-q","-f",format,path,str(capacity)], f"grow {path}")
def create(path, format, capacity, backing=None):
    extra=["-b",backing[0],"-F",backing[1]] if backing else []
    _run(["qemu-img","create","-q","-f",format,*extra,path,str(capacity)], f"create {path}")
def flatten(layers, target):
    node=None
    for p,f in reversed(layers):
        n={"driver":f,"file":{"driver":"file","filename":p}}
        if f=="qcow2": n["backing"]=node
        node=n
    _run(["qemu-img","convert","-O","qcow2",f"json:{json.dumps(node)}",target], f"flatten {target}")
