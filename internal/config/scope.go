package config

import "strings"

// scope is the file itself, or an entry of roles or clients that lays its own keys over those of the file. In a scope all keys
// have the names that they have in the file: that of roles.web.duration is credentials.duration.
type scope struct {
	parent  *scope // the file's; nil: this is the file itself
	at      origin // of the entry
	path    string // of the entry, such as roles.web or clients[3]
	block   string // block of the file that the entry lays itself over; "": the file as a whole
	origins origins
	broken  map[string]bool // keys whose value alone is wrong; rules that compare values skip them
	// replaced holds keys of the file that keys of this entry replace: user_data replaces user_data_file.
	replaced map[string]bool
}

// display returns a key of the scope as it is in the file.
func (s *scope) display(path string) string {
	switch {
	case s.parent == nil:
		return path
	case path == "":
		return s.path
	case s.block == "":
		return join(s.path, path)
	case path == s.block:
		return s.path
	case strings.HasPrefix(path, s.block+"."):
		return s.path + path[len(s.block):]
	default:
		return path // of another block, which the entry cannot have
	}
}

// where returns the origin to name in a message: that of the value, or of the entry if the value is the file's.
func (s *scope) where(path string) origin {
	if found := s.origins.at(path); found != (origin{}) || s.parent == nil {
		return found
	}
	return s.at
}

// isSet reports whether a source has set a key, for this entry or, unless the entry replaces it, for the file.
func (s *scope) isSet(path string) bool {
	if s.has(path) {
		return true
	}
	return s.parent != nil && !s.replaced[path] && s.parent.isSet(path)
}

// has reports whether a source has set a key for this entry.
func (s *scope) has(path string) bool {
	_, ok := s.origins.get(path)
	return ok
}

// origin returns the origin of the value at path.
func (s *scope) origin(path string) origin {
	if found := s.origins.at(path); found != (origin{}) || s.parent == nil {
		return found
	}
	return s.parent.origin(path)
}

// setBroken notes that the value of a key alone is wrong.
func (s *scope) setBroken(path string) {
	if s.broken == nil {
		s.broken = map[string]bool{}
	}
	s.broken[path] = true
}

// origins has the origin of every key that a source has set. Values, lists and maps have their dotted key, elements of lists
// "key[0]", and entries of maps "key.entry". There may be one for each of 10,000 entries, so that few keys take no map.
type origins struct {
	few  []keyOrigin
	many map[string]origin
}

type keyOrigin struct {
	key string
	at  origin
}

// mostFew is the number of keys that are searched one by one.
const mostFew = 16

func (o *origins) get(key string) (origin, bool) {
	if o.many != nil {
		at, ok := o.many[key]
		return at, ok
	}
	for i := range o.few {
		if o.few[i].key == key {
			return o.few[i].at, true
		}
	}
	return origin{}, false
}

func (o *origins) set(key string, at origin) {
	if o.many != nil {
		o.many[key] = at
		return
	}
	for i := range o.few {
		if o.few[i].key == key {
			o.few[i].at = at
			return
		}
	}
	if o.few == nil {
		o.few = make([]keyOrigin, 0, 6)
	}
	if o.few = append(o.few, keyOrigin{key, at}); len(o.few) <= mostFew {
		return
	}
	o.many = make(map[string]origin, 2*mostFew)
	for _, k := range o.few {
		o.many[k.key] = k.at
	}
	o.few = nil
}

// at returns the origin of the value at path, or of the list, map or block around it.
func (o *origins) at(path string) origin {
	for {
		if found, ok := o.get(path); ok {
			return found
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return origin{}
		}
		path = path[:i]
	}
}

// paths keeps the dotted keys of the schema, which thousands of clients have in common.
type paths map[[2]string]string

// join is the function join.
func (p paths) join(path, key string) string {
	if path == "" {
		return key
	}
	joined, ok := p[[2]string{path, key}]
	if !ok {
		joined = join(path, key)
		p[[2]string{path, key}] = joined
	}
	return joined
}
