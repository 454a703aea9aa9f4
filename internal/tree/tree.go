// Package tree builds the metadata tree: the paths of each version, their values and listings. A Snapshot is built once from
// an instance and is immutable; a look-up takes two map accesses.
package tree

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/instance"
)

// Kind says what a node answers.
type Kind uint8

// The kinds of nodes.
const (
	Value               Kind = iota // Body is the answer
	UserData                        // Body is the answer, of unknown type
	Listing                         // Body is the listing of a directory
	Credentials                     // the answer is the current credentials document
	ExtendedCredentials             // the same with the account id
	Signature                       // the answer is the signature of the identity document that Body names
)

// Node is the answer of one path.
type Node struct {
	Kind Kind
	Body []byte
	// Length is the header Content-Length of Body. Responses share it: it must not be changed.
	Length []string
}

func newNode(kind Kind, body []byte) *Node {
	return &Node{kind, body, []string{strconv.Itoa(len(body))}}
}

// Snapshot is the immutable tree of one instance.
type Snapshot struct {
	versions map[string]int // name → position in versions
	root     *Node
	nodes    map[string][]dated // path below the version ("" for the version itself) → nodes, oldest first
	base     *Snapshot          // has what nodes lacks; nil: nothing
	shared   shared             // of a base
}

// dated is the node of a path from one version up to the next dated node.
type dated struct {
	since int // position in versions
	node  *Node
}

// New builds the tree of an instance. overrides adds and replaces values by path, and removes a path whose value is nil. The
// error is a *PathError.
func New(in *instance.Instance, overrides map[string]*string) (*Snapshot, error) {
	s := &Snapshot{
		versions: make(map[string]int, len(versions)),
		root:     newNode(Listing, []byte(strings.Join(versions[:], "\n"))),
	}
	for i, v := range versions {
		s.versions[v] = i
	}
	all, err := leavesWith(in, overrides)
	if err != nil {
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

// Check returns the error of New without building the tree.
func Check(in *instance.Instance, overrides map[string]*string) error {
	_, err := leavesWith(in, overrides)
	return err
}

// Values returns the values of an instance by path below the version, without overrides. Credentials and signatures are empty.
func Values(in *instance.Instance) map[string]string {
	all := leavesOf(in)
	values := make(map[string]string, len(all))
	for path, l := range all {
		values[path] = ""
		if l.kind == Value || l.kind == UserData {
			values[path] = l.value
		}
	}
	return values
}

// leavesWith returns the leaves of an instance with overrides.
func leavesWith(in *instance.Instance, overrides map[string]*string) (leaves, error) {
	all := leavesOf(in)
	return all, all.override(overrides)
}

// directories maps a directory to the names in its listing, and each name to the first version that lists it.
type directories map[string]map[string]int

// add adds path to the listings of all directories above it.
func (d directories) add(path string, since int) {
	for slash := ""; path != ""; slash = "/" {
		dir, name := "", path
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			dir, name = path[:i], path[i+1:]
		}
		if slash != "" && unlisted[path] {
			return // other paths list the directories above
		}
		children := d[dir]
		if children == nil {
			children = make(map[string]int)
			d[dir] = children
		}
		if dir != "" { // the listing of a version has no slashes
			name += slash
		}
		if old, ok := children[name]; ok && old <= since {
			return // the directories above list it, too
		}
		children[name] = since
		path = dir
	}
}

// nameKeys lists key pairs as the service does: 0=my-key.
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

// listings returns a directory's listings, one for each version that changes it: sorted names, separated by newlines, without
// a final newline (imds-reference section 2).
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
		listed := make([]string, 0, len(names))
		for _, name := range names {
			if children[name] <= from {
				listed = append(listed, name)
			}
		}
		all = append(all, dated{from, newNode(Listing, []byte(strings.Join(listed, "\n")))})
	}
	return all
}

// at returns the nodes of a path below the version.
func (s *Snapshot) at(path string) []dated {
	nodes, ok := s.nodes[path]
	if !ok && s.base != nil {
		return s.base.nodes[path]
	}
	return nodes
}

// Lookup returns the node of a normalised path ("/latest/meta-data/instance-id"), or nil.
func (s *Snapshot) Lookup(path string) *Node {
	if path == "/" {
		return s.root
	}
	version, rest, _ := strings.Cut(path[1:], "/")
	v, ok := s.versions[version]
	if !ok {
		return nil
	}
	for _, d := range slices.Backward(s.at(rest)) {
		if d.since <= v {
			return d.node
		}
	}
	return nil
}

// Document returns the identity document, which signatures cover, or nil if an override removes it.
func (s *Snapshot) Document() []byte {
	if all := s.at(documentPath); len(all) > 0 {
		return all[0].node.Body
	}
	return nil
}

// Paths returns the paths under latest, sorted, directories with a trailing slash.
func (s *Snapshot) Paths() []string {
	nodes := maps.Clone(s.nodes)
	if s.base != nil {
		nodes = maps.Clone(s.base.nodes)
		maps.Copy(nodes, s.nodes)
	}
	paths := make([]string, 0, len(nodes))
	for path, all := range nodes {
		if len(all) == 0 {
			continue // the base has it, and this tree has not
		}
		if all[len(all)-1].node.Kind == Listing && path != "" {
			path += "/"
		}
		paths = append(paths, "/latest/"+path)
	}
	slices.Sort(paths)
	return paths
}
