package tree

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// PathError says why the override of Path is not possible.
type PathError struct {
	Path   string
	Reason string
}

func (e *PathError) Error() string { return e.Path + ": " + e.Reason }

// override adds and replaces values, and removes a path whose value is nil with all paths below it. It removes before it
// adds, so that a directory can replace a value and the other way round.
func (l leaves) override(overrides map[string]*string) error {
	paths := slices.Sorted(maps.Keys(overrides))
	for _, path := range paths {
		if overrides[path] == nil {
			l.remove(path)
		}
	}
	dirs := map[string]string{} // directory → a path in it
	for path := range l {
		addParents(dirs, path)
	}
	for _, path := range paths {
		value := overrides[path]
		if value == nil {
			continue
		}
		if err := l.checkConflict(path, dirs); err != nil {
			return err
		}
		kind := Value
		if path == userDataPath {
			kind = UserData
		}
		l[path] = leaf{kind, *value}
		addParents(dirs, path)
	}
	if _, ok := l[documentPath]; !ok {
		maps.DeleteFunc(l, func(_ string, l leaf) bool { return l.kind == Signature }) // without a document
	}
	return nil
}

func (l leaves) remove(path string) {
	maps.DeleteFunc(l, func(p string, _ leaf) bool { return p == path || strings.HasPrefix(p, path+"/") })
}

// addParents adds all directories above path.
func addParents(dirs map[string]string, path string) {
	for i, c := range path {
		if c == '/' {
			dirs[path[:i]] = path
		}
	}
}

// checkConflict returns an error if path is a directory, or if a path above it is a value.
func (l leaves) checkConflict(path string, dirs map[string]string) error {
	if inside, ok := dirs[path]; ok {
		return &PathError{path, fmt.Sprintf("is a directory (it holds %s); set the paths below it, or remove each of them first with null", inside)}
	}
	for i, c := range path {
		if c != '/' {
			continue
		}
		if _, ok := l[path[:i]]; ok {
			return &PathError{path, path[:i] + " is a value, not a directory; remove it first with null"}
		}
	}
	return nil
}
