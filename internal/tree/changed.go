package tree

import "slices"

// Changed returns the paths below the version, sorted, whose values differ between two trees. Directories are not among them.
func (s *Snapshot) Changed(t *Snapshot) []string {
	var paths []string
	for path, nodes := range s.nodes {
		other := t.at(path)
		if isValue(nodes) && (!isValue(other) || !nodes[0].equal(other[0])) {
			paths = append(paths, path)
		}
	}
	for path, nodes := range t.nodes {
		if isValue(nodes) && !isValue(s.at(path)) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// isValue reports whether the nodes of a path are a value's.
func isValue(nodes []dated) bool { return len(nodes) > 0 && nodes[0].node.Kind != Listing }
