# From rustdoc's JSON of a crate: its public items, each as "kind, example or none, name, file:line". Items are what has a doc comment of its own that an example would help: types,
# traits, functions, methods, macros; not variants, fields, or what is implemented of somebody else's trait.

def item($index): $index[tostring] // empty;
def hidden: any(.attrs[]?; tostring | test("doc\\(hidden\\)"));
def kind: .inner | keys[0];

# The item, and everything that users reach through it.
def reached($index):
    item($index) | select(.crate_id == 0) | select(hidden | not)
    | if kind == "module" then .inner.module.items[] | reached($index)
      elif kind == "use" then .inner.use.id | select(. != null) | reached($index)
      elif kind == "impl" then select(.inner.impl.trait == null) | .inner.impl.items[] | reached($index)
      # Its methods are shown by whoever implements or uses it.
      elif kind == "trait" then .docs as $docs | ., (.inner.trait.items[] | reached($index) | .docs += $docs)
      else ., (.inner[kind] | objects | .impls // [] | .[] | reached($index))
      end;

.index as $index
| [.root | reached($index) | select(kind | IN("struct", "enum", "union", "trait", "function", "macro", "proc_macro", "type_alias"))]
| unique_by(.id)
| .[]
| [kind, if (.docs // "") | contains("```") then "example" else "none" end, .name, "\(.span.filename):\(.span.begin[0])"]
| @tsv
