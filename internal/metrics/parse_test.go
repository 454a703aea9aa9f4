package metrics

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// values are those of all series of a scrape in the plain format.
func values(t testing.TB, scrape string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(scrape) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if _, twice := all[line[:at]]; twice {
			t.Errorf("%s is there twice", line[:at])
		}
		all[line[:at]] = v
	}
	return all
}

// status is that of a page.
func (d *daemon) status(t testing.TB, path string) int {
	t.Helper()
	return ask(t, http.MethodGet, d.base+path).status
}
