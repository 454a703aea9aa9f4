package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/web"
)

type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkRoutes(b *testing.B) {
	l, err := config.Load(config.Sources{Set: []string{"credentials.mock=true", "credentials.iam_role=" + roleARN}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	d, err := newDaemon(ctx, slog.New(slog.DiscardHandler), new(slog.LevelVar), config.Sources{}, l)
	if err != nil {
		b.Fatal(err)
	}
	lines := web.NewLineWriter(io.Discard)
	h := d.routes(lines)
	c, _ := net.Pipe()
	token := d.current.Load().target.Tokens.Issue(21600)
	for _, tt := range []struct{ name, method, path, token string }{
		{"v1", "GET", "/latest/meta-data/instance-id", ""},
		{"v2", "GET", "/latest/meta-data/instance-id", token},
		{"creds", "GET", "/latest/meta-data/iam/security-credentials/myrole", token},
		{"put", "PUT", "/latest/api/token", ""},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r := httptest.NewRequest(tt.method, "http://127.0.0.1"+tt.path, nil).WithContext(web.WithConn(ctx, c))
			r.RemoteAddr = "127.0.0.1:4711"
			r.RequestURI = tt.path
			if tt.token != "" {
				r.Header["X-Aws-Ec2-Metadata-Token"] = []string{tt.token}
			}
			if tt.method == "PUT" {
				r.Header["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"] = []string{"21600"}
			}
			w := &nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	}
}
