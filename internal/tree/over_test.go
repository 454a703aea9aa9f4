package tree

import (
	"slices"
	"testing"
)

// TestOver_AnswersAsTheTreeItself compares all paths and versions of a tree over a base that has more, less and other values.
func TestOver_AnswersAsTheTreeItself(t *testing.T) {
	one, two := "1", "2"
	base, err := New(rich(), map[string]*string{"meta-data/only-base": &one, "meta-data/both": &one})
	if err != nil {
		t.Fatal(err)
	}
	other := rich()
	other.ID, other.Role, other.Interfaces[0].MAC = "i-00000000000000002", "", "0a:00:00:00:00:02"
	itself, err := New(other, map[string]*string{"meta-data/only-other": &two, "meta-data/both": &two, "meta-data/ami-id": nil})
	if err != nil {
		t.Fatal(err)
	}
	over := itself.Over(base)
	if !slices.Equal(over.Paths(), itself.Paths()) {
		t.Errorf("paths\n%q\nwant\n%q", over.Paths(), itself.Paths())
	}
	for _, version := range versions {
		for _, path := range append(itself.Paths(), base.Paths()...) {
			path = "/" + version + trimmed(path)
			want, got := itself.Lookup(path), over.Lookup(path)
			if (want == nil) != (got == nil) || want != nil && (want.Kind != got.Kind || string(want.Body) != string(got.Body) || got.Length[0] != want.Length[0]) {
				t.Errorf("%s: %+v, want %+v", path, got, want)
			}
		}
	}
	if len(over.nodes) >= len(itself.nodes)*2/3 {
		t.Errorf("%d of %d paths are its own", len(over.nodes), len(itself.nodes))
	}
	if second := itself.Over(base); &second.nodes["meta-data"][0] != &over.nodes["meta-data"][0] {
		t.Error("two trees do not share a listing")
	}
}

// trimmed cuts /latest and a slash at the end.
func trimmed(path string) string {
	path = path[len("/latest"):]
	if path != "" && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	return path
}
