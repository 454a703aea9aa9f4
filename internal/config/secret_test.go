package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	const value = "hunter2"
	type holder struct{ S Secret }
	s, in := Secret(value), holder{value}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%X", "%d", "%10s", "%t"} {
		for _, x := range []any{s, &s, in, &in, []Secret{s}, map[Secret]Secret{s: s}} {
			got := fmt.Sprintf(verb, x)
			if strings.Contains(got, value) || strings.Contains(strings.ToLower(got), "68756e746572") {
				t.Errorf("%s of %T: %s", verb, x, got)
			}
		}
		if got := fmt.Sprintf(verb, s); got != redacted {
			t.Errorf("%s: got %q, want %q", verb, got, redacted)
		}
	}

	asJSON, err := json.Marshal(in)
	if want := `{"S":"[redacted]"}`; err != nil || string(asJSON) != want {
		t.Errorf("JSON: got %s, %v, want %s", asJSON, err, want)
	}
	asYAML, err := yaml.Marshal(in)
	if want := "s: '[redacted]'\n"; err != nil || string(asYAML) != want {
		t.Errorf("YAML: got %s, %v, want %s", asYAML, err, want)
	}

	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		slog.New(handler(&out)).Info("m", "secret", s, "in", in, "pointer", &in)
		if strings.Contains(out.String(), value) || strings.Count(out.String(), redacted) < 2 {
			t.Errorf("slog %s: %s", name, out.String())
		}
	}

	if s.Reveal() != value {
		t.Errorf("Reveal: got %q", s.Reveal())
	}
}

func TestEmptySecretPrintsNothing(t *testing.T) {
	var s Secret
	if got := fmt.Sprintf("%v%s%q%#v%s%s", s, s, s, s, s.String(), s.LogValue()); got != "" {
		t.Errorf("got %q", got)
	}
	if got, err := json.Marshal(s); err != nil || string(got) != `""` {
		t.Errorf("JSON: got %s, %v", got, err)
	}
}
