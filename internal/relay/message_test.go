package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

// messages is one of each kind, with secrets where there can be some.
func messages() []message {
	wish := wishFor(specOf("n1", "cart", roleA))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := session(at.Add(time.Hour), at)
	c.ARN, c.AccountID = "arn:of:session", "123456789012"
	return []message{
		{Hello: &hello{Protocol: 1, Version: "v", Feeder: "f"}},
		{ID: 7, Want: &wish},
		{Drop: 7},
		{ID: 7, Credentials: c},
		{ID: 7, Error: &credentials.Error{Code: "C", AWSCode: "A", Message: "m", Temporary: true, Throttled: true}},
		{Ping: true},
		{Retry: true},
		{Bye: &bye{"why", "text"}},
	}
}

func TestMessage_DecodesToWhatWasEncoded(t *testing.T) {
	for _, m := range messages() {
		line, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(line)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %v, %v", line, got, err)
		}
		if bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("more than a line: %s", line)
		}
	}
}

func TestMessage_LongestLine(t *testing.T) {
	empty, err := message{Bye: &bye{}}.encode()
	if err != nil {
		t.Fatal(err)
	}
	room := maxLine - len(empty)
	if line, err := (message{Bye: &bye{Text: strings.Repeat("x", room)}}).encode(); err != nil || len(line) != maxLine {
		t.Errorf("%d bytes, %v", len(line), err)
	}
	if _, err := (message{Bye: &bye{Text: strings.Repeat("x", room+1)}}).encode(); err == nil {
		t.Error("a longer line is written")
	}
}

func TestMessage_DurationsOutOfRangeAreGarbage(t *testing.T) {
	for _, n := range []string{"-1", "86400001", "9223372036854775807"} {
		for _, field := range []string{"duration_ms", "refresh_before_ms"} {
			if m, err := decode([]byte(`{"id":1,"want":{"` + field + `":` + n + `}}`)); err == nil {
				t.Errorf("%s %s: %v", field, n, m)
			}
		}
	}
}

func TestMessage_EveryWayOfPrintingRedacts(t *testing.T) {
	secrets := []string{accessKey, secretKey, tokenText, annotated}
	for _, m := range messages() {
		values := []any{m, &m, []message{m}, map[string]message{"m": m}, struct{ M message }{m}}
		if m.Want != nil {
			values = append(values, *m.Want, m.Want, struct{ W Wish }{*m.Want}, Event{Wish: *m.Want})
			w := wireWish{Subject: m.Want.Subject}
			values = append(values, w, wire{Want: &w})
		}
		if m.Credentials != nil {
			c := wireCredentials(*m.Credentials)
			values = append(values, c, wire{Credentials: &c})
		}
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				expectNone(t, fmt.Sprintf(verb, v), secrets)
			}
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
			expectNone(t, log.String(), secrets)
		}
		encoded := values[:5]
		if m.Want != nil {
			encoded = values[:9] // with those of the Wish
		}
		for _, v := range encoded {
			text, err := json.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
			expectNone(t, string(text)+log.String(), secrets)
		}
	}
}

func expectNone(t *testing.T, text string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("%q is shown in %s", secret, text)
		}
	}
}

func TestEvent_ControlCharactersOfANodeAreNotPrinted(t *testing.T) {
	evil := "a\x1b[2J\nb\u202e"
	for _, kind := range []string{EventConnected, EventLost, EventGave, EventRefused, EventFailed, EventNodes} {
		text := Event{Kind: kind, Node: Node{Name: evil}, Wish: wishFor(specOf(evil, evil, evil)), Err: &bye{Text: evil}}.String()
		if strings.ContainsAny(text, "\x1b\n\u202e") {
			t.Errorf("%s: %q", kind, text)
		}
	}
}

func TestEvent_IsOneLine(t *testing.T) {
	got := Event{Kind: EventLost, Node: Node{Name: "node1"}, Err: &bye{Text: "it does not listen\nexit code 1"}}.String()
	if want := `node "node1": not connected: `; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "it does not listen exit code 1") {
		t.Errorf("got %q", got)
	}
}
