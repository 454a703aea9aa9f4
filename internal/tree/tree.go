// Package tree owns the metadata tree: which paths there are under which version, their values and listings. A Snapshot
// is built once from an instance and never changes; a look-up takes two map accesses.
package tree

import (
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/instance"
)

// Kind says how a node is answered.
type Kind uint8

// The kinds of nodes.
const (
	Value               Kind = iota // Body is the answer
	UserData                        // Body is the answer, of no known type
	Listing                         // Body lists a directory
	Credentials                     // the answer is the current credentials document
	ExtendedCredentials             // the same with the account
	Signature                       // the answer is the signature of the identity document that Body names
)

// Node is one path's answer.
type Node struct {
	Kind Kind
	Body []byte
	// Length is the Content-Length of Body as a header has it. It is shared: nobody may change it.
	Length []string
}

func newNode(kind Kind, body []byte) *Node {
	return &Node{kind, body, []string{strconv.Itoa(len(body))}}
}

// Snapshot is the immutable tree of one instance.
type Snapshot struct {
	versions map[string]int // name → position in versions
	root     *Node
	nodes    map[string][]dated // path below the version, "" for the version itself → oldest first
}

// dated is a node from a version on, until the next one takes over.
type dated struct {
	since int
	node  *Node
}

// New builds the tree of an instance, with values added, replaced or (nil) removed by path. Its error is a *PathError.
func New(in *instance.Instance, overrides map[string]*string) (*Snapshot, error) {
	s := &Snapshot{
		versions: make(map[string]int, len(versions)),
		root:     newNode(Listing, []byte(strings.Join(versions[:], "\n"))),
	}
	for i, v := range versions {
		s.versions[v] = i
	}
	all := leavesOf(in)
	if err := all.override(overrides); err != nil {
		return nil, err
	}
	s.nodes = make(map[string][]dated, len(all))
	dirs := directories{}
	for path, l := range all {
		since := firstServing(sinceOf(path))
		s.nodes[path] = []dated{{since, newNode(l.kind, []byte(l.value))}}
		dirs.add(path, since)
	}
	dirs.nameKeys(in)
	for dir, children := range dirs {
		s.nodes[dir] = listings(children)
	}
	return s, nil
}

// directories maps a directory to what it lists, and that to the first version that shows it.
type directories map[string]map[string]int

// add lists path in every directory above it.
func (d directories) add(path string, since int) {
	for slash := ""; path != ""; slash = "/" {
		dir, name := "", path
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			dir, name = path[:i], path[i+1:]
		}
		children := d[dir]
		if children == nil {
			children = make(map[string]int)
			d[dir] = children
		}
		if unlisted[path] {
			return // what lies above is listed for the sake of others
		}
		if dir != "" { // a version's own listing shows no slashes
			name += slash
		}
		if old, ok := children[name]; ok && old <= since {
			return // and so do those above
		}
		children[name] = since
		path = dir
	}
}

// nameKeys lists the directory of each key pair as the service does: 0=my-key.
func (d directories) nameKeys(in *instance.Instance) {
	keys := d["meta-data/public-keys"]
	for i, k := range in.KeyPairs {
		number := strconv.Itoa(i)
		if since, ok := keys[number+"/"]; ok {
			delete(keys, number+"/")
			keys[number+"="+k.Name] = since
		}
	}
}

// listings is what a directory shows from each version on that changes it: sorted, separated by newlines, none at the
// end (imds-reference section 2).
func listings(children map[string]int) []dated {
	names := make([]string, 0, len(children))
	changes := make([]int, 0, len(children))
	for name, since := range children {
		names = append(names, name)
		changes = append(changes, since)
	}
	slices.Sort(names)
	slices.Sort(changes)
	changes = slices.Compact(changes)
	all := make([]dated, 0, len(changes))
	for _, from := range changes {
		shown := make([]string, 0, len(names))
		for _, name := range names {
			if children[name] <= from {
				shown = append(shown, name)
			}
		}
		all = append(all, dated{from, newNode(Listing, []byte(strings.Join(shown, "\n")))})
	}
	return all
}

// Lookup finds the node at a normalised path ("/latest/meta-data/instance-id"); nil when there is none.
func (s *Snapshot) Lookup(path string) *Node {
	if path == "/" {
		return s.root
	}
	version, rest, _ := strings.Cut(path[1:], "/")
	v, ok := s.versions[version]
	if !ok {
		return nil
	}
	for _, d := range slices.Backward(s.nodes[rest]) {
		if d.since <= v {
			return d.node
		}
	}
	return nil
}

// Document is the identity document that signatures are made of, nil when an override has removed it.
func (s *Snapshot) Document() []byte {
	if all := s.nodes[documentPath]; len(all) > 0 {
		return all[0].node.Body
	}
	return nil
}

// Paths lists what is served under latest, sorted, directories with a trailing slash.
func (s *Snapshot) Paths() []string {
	paths := make([]string, 0, len(s.nodes))
	for path, all := range s.nodes {
		if all[len(all)-1].node.Kind == Listing && path != "" {
			path += "/"
		}
		paths = append(paths, "/latest/"+path)
	}
	slices.Sort(paths)
	return paths
}
