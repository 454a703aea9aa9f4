package tree

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

// maxShared bounds the number of listings that a base remembers.
const maxShared = 4096

// shared holds nodes that the trees over a base have in common, by their content.
type shared struct {
	mu    sync.Mutex // guards nodes
	nodes map[string][]dated
}

// Shareable prepares a tree as the base of others. It is called before the tree is in use.
func (s *Snapshot) Shareable() {
	s.shared = &shared{nodes: make(map[string][]dated, len(s.nodes))}
	for _, nodes := range s.nodes {
		s.shared.nodes[contentOf(nodes)] = nodes
	}
}

// Over returns the same tree, which shares equal nodes with base and with other trees over it. Instances of one configuration
// differ in a few values, and in the paths below their MAC addresses. base is Shareable.
func (s *Snapshot) Over(base *Snapshot) *Snapshot {
	over := &Snapshot{versions: base.versions, root: base.root, nodes: map[string][]dated{}, base: base}
	for path, nodes := range s.nodes {
		if !slices.EqualFunc(nodes, base.nodes[path], dated.equal) {
			over.nodes[path] = base.shared.equal(nodes)
		}
	}
	for path := range base.nodes {
		if _, ok := s.nodes[path]; !ok {
			over.nodes[path] = nil
		}
	}
	return over
}

// equal returns equal nodes of another tree, or these. It remembers listings, most of which are those of many trees.
func (s *shared) equal(nodes []dated) []dated {
	content := contentOf(nodes)
	s.mu.Lock()
	defer s.mu.Unlock()
	if equal, ok := s.nodes[content]; ok {
		return equal
	}
	if nodes[0].node.Kind == Listing && len(s.nodes) < maxShared {
		s.nodes[content] = nodes
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
