// Package tree owns the metadata tree: which paths there are under which version, their values and listings. A Snapshot
// is built once from an instance and never changes; a look-up takes two map accesses.
package tree

import (
	"slices"
	"strings"

	"mock-ec2-metadata/internal/instance"
)

// Kind says how a node is answered.
type Kind uint8

// The kinds of nodes.
const (
	Value       Kind = iota // Body is the answer
	Listing                 // Body lists a directory
	Credentials             // the answer is the current credentials document
)

// Node is one path's answer.
type Node struct {
	Kind Kind
	Body []byte
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

// New builds the tree of an instance.
func New(in *instance.Instance) *Snapshot {
	s := &Snapshot{
		versions: make(map[string]int, len(versions)),
		root:     &Node{Kind: Listing, Body: []byte(strings.Join(versions[:], "\n"))},
		nodes:    make(map[string][]dated),
	}
	for i, v := range versions {
		s.versions[v] = i
	}
	dirs := make(map[string]map[string]int) // directory → child's name → first version
	for _, e := range entries(in) {
		since := firstServing(e.since)
		s.nodes[e.path] = []dated{{since, &Node{Kind: e.kind, Body: []byte(e.value)}}}
		addToParents(dirs, e.path, since)
	}
	for dir, children := range dirs {
		s.nodes[dir] = listings(dir, children)
	}
	return s
}

// addToParents lists path in every directory above it.
func addToParents(dirs map[string]map[string]int, path string, since int) {
	name, slash := path, ""
	for name != "" {
		dir := ""
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			dir, name = name[:i], name[i+1:]
		}
		if dirs[dir] == nil {
			dirs[dir] = make(map[string]int)
		}
		if dir == "" {
			slash = "" // a version's own listing shows no slashes
		}
		if old, ok := dirs[dir][name+slash]; !ok || since < old {
			dirs[dir][name+slash] = since
		}
		name, slash = dir, "/"
	}
}

// listings is what a directory shows from each version on that changes it: sorted, separated by newlines, none at the
// end (imds-reference section 2).
func listings(dir string, children map[string]int) []dated {
	names := make([]string, 0, len(children))
	changes := make([]int, 0, len(children))
	for name, since := range children {
		names = append(names, name)
		changes = append(changes, since)
	}
	slices.Sort(names)
	slices.Sort(changes)
	changes = slices.Compact(changes)
	if dir == "" && changes[0] > 0 {
		changes = slices.Insert(changes, 0, 0) // every version exists, were it empty
	}
	all := make([]dated, 0, len(changes))
	for _, from := range changes {
		shown := make([]string, 0, len(names))
		for _, name := range names {
			if children[name] <= from {
				shown = append(shown, name)
			}
		}
		all = append(all, dated{from, &Node{Kind: Listing, Body: []byte(strings.Join(shown, "\n"))}})
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
