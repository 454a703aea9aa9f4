package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
)

func TestConsole_NoVerbShowsASecret(t *testing.T) {
	for _, document := range []any{
		ConsoleURL{URL: "http://127.0.0.1:1/#k=hidden"},
		&ConsoleURL{URL: "hidden"},
		ConsoleCode{Code: "hidden"},
		&ConsoleCode{Code: "hidden"},
		ConsoleSession{Token: "hidden"},
		&ConsoleSession{Token: "hidden"},
		[]ConsoleSession{{Token: "hidden"}},
	} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "document", document)
		for _, text := range []string{fmt.Sprint(document), fmt.Sprintf("%+v %#v %s %x", document, document, document, document), log.String()} {
			if bytes.Contains([]byte(text), []byte("hidden")) {
				t.Errorf("%T shows %s", document, text)
			}
		}
	}
}
