package app

import (
	"fmt"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/lifecycle"
)

// owned refuses an event that sets paths which metadata owns, of the file or of an entry of clients that may see the event: what the
// user sets is last (events-reference section 5.2).
func (in *Inputs) owned(e *lifecycle.Event, paths []string) error {
	c := in.Config.Config
	if key, path := owner(c.Metadata, paths); key != "" {
		return ownedBy(e, "metadata."+key, path)
	}
	for i := range c.Clients {
		name := fmt.Sprintf("clients[%d]", i)
		if !c.Clients[i].Overlaid() || !mayBeFor(e, name) {
			continue
		}
		if key, path := owner(c.Clients[i].Instance.Metadata, paths); key != "" {
			return ownedBy(e, name+".metadata."+key, path)
		}
	}
	return nil
}

// mayBeFor reports whether clients of an entry may see an event. Which addresses an entry is for is not compared.
func mayBeFor(e *lifecycle.Event, entry string) bool {
	all := e.Spec.Clients
	return len(all) == 0 || slices.Contains(all, entry) || slices.ContainsFunc(all, func(c string) bool { return !strings.HasPrefix(c, "clients[") })
}

func ownedBy(e *lifecycle.Event, key, path string) *lifecycle.Error {
	kind := e.Spec.Kind()
	return &lifecycle.Error{Conflict: true, Field: kind, Reason: fmt.Sprintf("%s: %s of the configuration owns %s; remove it there", kind, key, path)}
}

// fewKeys is up to how many keys of metadata those below a path are looked for: an entry's metadata includes the file's.
const fewKeys = 1000

// owner returns the key of metadata that owns a path which an event sets, and the path; "" for none.
func owner(metadata map[string]*string, paths []string) (key, path string) {
	if len(metadata) == 0 {
		return "", ""
	}
	for _, path := range paths {
		for above := path; above != ""; above = above[:max(strings.LastIndexByte(above, '/'), 0)] {
			if _, ok := metadata[above]; ok {
				return above, path
			}
		}
		if len(metadata) > fewKeys {
			continue
		}
		for key := range metadata {
			if strings.HasPrefix(key, path+"/") {
				return key, path
			}
		}
	}
	return "", ""
}
