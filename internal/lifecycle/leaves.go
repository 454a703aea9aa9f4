package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// put puts values at paths below the version, after it has dropped others. It changes nothing if a value would be both a value and a
// directory: an error about a field of the event.
func (p *patch) put(field string, values map[string]string, drop ...string) error {
	for _, path := range slices.Sorted(maps.Keys(values)) {
		if reason := p.clash(path, values, drop); reason != "" {
			return inTheWay(field, "%s", reason)
		}
	}
	for _, path := range drop {
		p.drop(path)
	}
	for path, value := range values {
		p.in.Metadata[path] = &value
		p.own[path] = true
	}
	return nil
}

// free refuses a path of the instance itself that a value of metadata above or below it makes impossible.
func (p *patch) free(field, path string) error {
	if reason := p.clash(path, nil, nil); reason != "" {
		return inTheWay(field, "%s", reason)
	}
	return nil
}

// clash says which value is above or below a path, of the values to put and of metadata but for what is dropped; "" for none.
func (p *patch) clash(path string, values map[string]string, drop []string) string {
	dropped := func(other string) bool {
		return slices.ContainsFunc(drop, func(dir string) bool { return within(other, dir) })
	}
	for i, c := range path {
		if c != '/' {
			continue
		}
		above := path[:i]
		if _, ok := values[above]; ok || p.in.Metadata[above] != nil && !dropped(above) {
			return fmt.Sprintf("%s is a value, so %s cannot be below it; unset one of them", above, path)
		}
	}
	for other := range p.in.Metadata {
		if other != path && within(other, path) && p.in.Metadata[other] != nil && !dropped(other) {
			return fmt.Sprintf("%s is a directory, which holds %s; unset one of them", path, other)
		}
	}
	return ""
}

// drop removes a path and all below it.
func (p *patch) drop(path string) {
	p.forget(path)
	maps.DeleteFunc(p.in.Metadata, func(other string, _ *string) bool { return within(other, path) })
	p.in.Metadata[path] = nil
	p.own[path] = true
}

// forget takes back what events have put at a path and below it.
func (p *patch) forget(path string) {
	for own := range p.own {
		if !within(own, path) {
			continue
		}
		delete(p.own, own)
		delete(p.in.Metadata, own)
		if value, ok := p.file.Metadata[own]; ok {
			p.in.Metadata[own] = value
		}
	}
}

// within reports whether a path is a directory or below it.
func within(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/')
}

// leaves sets and unsets any paths.
func (p *patch) leaves(set map[string]string, unset []string) error {
	for _, path := range slices.Sorted(maps.Keys(set)) {
		if reason := layoutConflict(path); reason != "" {
			return wrong("set."+path, "%s", reason)
		}
	}
	return p.put("set", set, unset...)
}

// targetState is the leaf of Auto Scaling.
const targetState = "meta-data/autoscaling/target-lifecycle-state"

// asg shows a target lifecycle state as it is: clients compare it without trimming (events-reference section 1.4).
func (p *patch) asg(state string) error {
	if state == "gone" {
		p.drop(targetState)
		return nil
	}
	return p.put(kindASG, map[string]string{targetState: state})
}
