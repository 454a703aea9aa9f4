package config

import (
	"slices"
	"strings"
)

// validateSimulation applies the rules that compare keys of events and of faults.
func (l *loader) validateSimulation() {
	eventIDs, faultIDs := map[string]string{}, map[string]string{} // the place of each id
	for i := range l.config.Events {
		e, path := &l.config.Events[i], element("events", i)
		if l.isSound(path) && !l.scope.broken["events"] {
			e.check(l.findings(path))
			e.normalise()
			l.validateID(eventIDs, e.ID, path)
		}
	}
	for i := range l.config.Faults {
		f, path := &l.config.Faults[i], element("faults", i)
		if l.isSound(path) && !l.scope.broken["faults"] {
			f.check(l.findings(path))
			l.validateID(faultIDs, f.ID, path)
		}
	}
}

// isSound reports whether nothing below a path has a problem. What is wrong alone is not compared.
func (l *loader) isSound(path string) bool {
	return !slices.ContainsFunc(l.problems, func(p problem) bool { return strings.HasPrefix(p.path, path) })
}

// findings reports what is found at keys below a path.
func (l *loader) findings(path string) findings {
	report := func(to *problems) func(key, format string, args ...any) {
		return func(key, format string, args ...any) {
			full, shown := path, path
			if key != "" {
				full = join(path, key)
				shown = l.shown(full)
			}
			to.add(l.scope.where(full), l.scope.display(shown), format, args...)
		}
	}
	return findings{goos: l.goos, wrong: report(&l.problems), odd: report(&l.warnings)}
}

// validateID requires that an id is that of one event or fault. first has the place of each id.
func (l *loader) validateID(first map[string]string, id, path string) {
	switch {
	case id == "":
	case first[id] != "":
		l.wrong(join(path, "id"), "%s is that of %s, too; choose another", id, first[id])
	default:
		first[id] = path
	}
}

// validateEventClients requires that the entries of clients exist that events name.
func (l *loader) validateEventClients() {
	for i := range l.config.Events {
		for j, text := range l.config.Events[i].Clients {
			n, ok := clientEntry(text)
			if !ok || n < len(l.config.Clients) {
				continue
			}
			l.findings(element("events", i)).wrong(element("clients", j), "there is no %s; clients has %s", text, entries(len(l.config.Clients)))
		}
	}
}

// entries counts the entries of clients in a message.
func entries(n int) string {
	switch n {
	case 0:
		return "no entry"
	case 1:
		return "one entry, clients[0]"
	default:
		return "entries up to " + element("clients", n-1)
	}
}
