package tree

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

// maxShared bounds the number of listings that a base remembers.
const maxShared = 4096

// shared holds nodes that a base and the trees over it have in common, by their content. The zero value is ready.
type shared struct {
	mu    sync.Mutex         // guards nodes
	nodes map[string][]dated // nil before the first tree over the base: most bases never have one
}

// Over returns the same tree, which shares equal nodes with base and with other trees over it. Instances of one configuration
// differ in a few values, and in the paths below their MAC addresses. base is not over another one.
func (s *Snapshot) Over(base *Snapshot) *Snapshot {
	over := &Snapshot{versions: base.versions, root: base.root, nodes: map[string][]dated{}, base: base}
	for path, nodes := range s.nodes {
		if !slices.EqualFunc(nodes, base.nodes[path], dated.equal) {
			over.nodes[path] = base.share(nodes)
		}
	}
	for path := range base.nodes {
		if _, ok := s.nodes[path]; !ok {
			over.nodes[path] = nil
		}
	}
	return over
}

// share returns equal nodes of the tree or of another one over it, or these. It remembers listings, most of which are those of many trees.
func (s *Snapshot) share(nodes []dated) []dated {
	content := contentOf(nodes)
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	if s.shared.nodes == nil {
		s.shared.nodes = make(map[string][]dated, len(s.nodes))
		for _, own := range s.nodes {
			s.shared.nodes[contentOf(own)] = own
		}
	}
	if equal, ok := s.shared.nodes[content]; ok {
		return equal
	}
	if nodes[0].node.Kind == Listing && len(s.shared.nodes) < maxShared {
		s.shared.nodes[content] = nodes
	}
	return nodes
}

// contentOf returns what only equal nodes have in common.
func contentOf(nodes []dated) string {
	var b []byte
	for _, d := range nodes {
		b = fmt.Appendf(b, "%d %d %d ", d.since, d.node.Kind, len(d.node.Body))
		b = append(b, d.node.Body...)
	}
	return string(b)
}

func (d dated) equal(e dated) bool {
	return d.since == e.since && d.node.Kind == e.node.Kind && bytes.Equal(d.node.Body, e.node.Body)
}
