package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecret_IsRandomAndNeverPrinted has each way in which Go makes text of a value.
func TestSecret_IsRandomAndNeverPrinted(t *testing.T) {
	seen := map[secret]bool{}
	for range 1000 {
		s := newSecret()
		if len(s) != 43 || seen[s] { // 256 bits in base64url
			t.Fatalf("%d bytes, or a secret that was there before", len(s))
		}
		seen[s] = true
	}
	s := newSecret()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("text", "secret", s, "in", code{digest: s.digest()})
	text, err := json.Marshal(map[string]any{"secret": s, "in": []secret{s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprint([]secret{s}), fmt.Sprintf("%+v", redemption{token: s}), log.String(), string(text)} {
		if strings.Contains(shown, string(s)) || strings.Contains(shown, fmt.Sprintf("%x", string(s))) || !strings.Contains(shown, redacted) {
			t.Error("a secret is printed, or nothing in its place")
		}
	}
}
