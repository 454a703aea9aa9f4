// Package bench measures requests over loopback beside a bare net/http server that writes the same bytes, in one run:
// only the ratio says something, machines differ.
package bench

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
	"mock-ec2-metadata/internal/web"
)

const leaf = "i-0123456789abcdef0"

type one struct{ target *imds.Target }

func (o one) Target(*http.Request) *imds.Target { return o.target }

// ours is the daemon's handler with its access log.
func ours(b *testing.B) (http.Handler, *imds.Target) {
	in := instance.New(&config.Config{EC2: config.EC2{InstanceID: leaf, LocalIPv4: "10.0.0.10"}}, nil)
	snapshot, err := tree.New(in, nil)
	if err != nil {
		b.Fatal(err)
	}
	target := &imds.Target{Tree: snapshot, Modified: imds.LastModified(time.Now()), Tokens: imds.NewTokens([]byte("s"), leaf, time.Now)}
	log := slog.New(slog.NewTextHandler(struct{ io.Writer }{io.Discard}, nil)) // formats every line
	r := chi.NewRouter()
	r.Use(web.CleanPath)
	imds.Mount(r, log, one{target}, func(*http.Request) bool { return false })
	access := &web.AccessLog{Out: io.Discard, Enabled: func() bool { return true }, Version: imds.Version, Now: time.Now}
	return access.Wrap(r), target
}

func bare(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Content-Type"] = []string{"text/plain"}
	h["Accept-Ranges"] = []string{"none"}
	h["Last-Modified"] = []string{"Tue, 05 May 2026 10:11:12 GMT"}
	h["Content-Length"] = []string{strconv.Itoa(len(leaf))}
	_, _ = io.WriteString(w, leaf)
}

func BenchmarkGet(b *testing.B) {
	handler, target := ours(b)
	token := target.Tokens.Issue(imds.MaxTokenTTL)
	for _, bb := range []struct {
		name    string
		handler http.Handler
		token   string
	}{
		{"bare", http.HandlerFunc(bare), ""},
		{"v1", handler, ""},
		{"v2", handler, token},
	} {
		b.Run(bb.name, func(b *testing.B) {
			srv := httptest.NewServer(bb.handler)
			defer srv.Close()
			client := srv.Client()
			client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, srv.URL+"/latest/meta-data/instance-id", nil)
					if err != nil {
						b.Error(err)
						return
					}
					if bb.token != "" {
						req.Header.Set("X-Aws-Ec2-Metadata-Token", bb.token)
					}
					resp, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					body, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if err != nil || string(body) != leaf {
						b.Errorf("got %q, %v", body, err)
						return
					}
				}
			})
		})
	}
}
