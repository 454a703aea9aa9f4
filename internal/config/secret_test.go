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

const secretValue = "hunter2"

type secretHolder struct{ S Secret }

func TestSecret_IsRedactedByEveryVerb(t *testing.T) {
	s, in := Secret(secretValue), secretHolder{secretValue}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%X", "%d", "%10s", "%t"} {
		t.Run(verb, func(t *testing.T) {
			for _, x := range []any{s, &s, in, &in, []Secret{s}, map[Secret]Secret{s: s}} {
				got := fmt.Sprintf(verb, x)
				if strings.Contains(got, secretValue) || strings.Contains(strings.ToLower(got), "68756e746572") {
					t.Errorf("%T: %s", x, got)
				}
			}
			if got := fmt.Sprintf(verb, s); got != redacted {
				t.Errorf("got %q, want %q", got, redacted)
			}
		})
	}
}

func TestSecret_IsRedactedInJSONAndYAML(t *testing.T) {
	asJSON, err := json.Marshal(secretHolder{secretValue})
	if want := `{"S":"[redacted]"}`; err != nil || string(asJSON) != want {
		t.Errorf("JSON: got %s, %v, want %s", asJSON, err, want)
	}
	asYAML, err := yaml.Marshal(secretHolder{secretValue})
	if want := "s: '[redacted]'\n"; err != nil || string(asYAML) != want {
		t.Errorf("YAML: got %s, %v, want %s", asYAML, err, want)
	}
}

func TestSecret_IsRedactedInLogs(t *testing.T) {
	in := secretHolder{secretValue}
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			slog.New(handler(&out)).Info("m", "secret", Secret(secretValue), "in", in, "pointer", &in)
			if strings.Contains(out.String(), secretValue) || strings.Count(out.String(), redacted) < 2 {
				t.Error(out.String())
			}
		})
	}
}

func TestSecret_RevealReturnsTheValue(t *testing.T) {
	if got := Secret(secretValue).Reveal(); got != secretValue {
		t.Errorf("got %q", got)
	}
}

func TestSecret_EmptyPrintsNothing(t *testing.T) {
	var s Secret
	if got := fmt.Sprintf("%v%s%q%#v%s%s", s, s, s, s, s.String(), s.LogValue()); got != "" {
		t.Errorf("got %q", got)
	}
	if got, err := json.Marshal(s); err != nil || string(got) != `""` {
		t.Errorf("JSON: got %s, %v", got, err)
	}
}
