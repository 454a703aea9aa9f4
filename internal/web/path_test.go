package web

import "testing"

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "/",
		"/":                        "/",
		"//":                       "/",
		"///":                      "/",
		"/latest":                  "/latest",
		"/latest/":                 "/latest",
		"/latest//":                "/latest",
		"//latest/meta-data":       "/latest/meta-data",
		"/latest//meta-data///ami": "/latest/meta-data/ami",
		"/latest/../user-data":     "/latest/../user-data",
		"latest":                   "/latest",
		"*":                        "/*",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}
