// Stands in for the proxy of deploy/compose/compose.socket-proxy.yaml, whose image tests cannot get. It understands the flags there:
// it passes on GET requests whose path matches a pattern as a whole, and answers 403 to all others.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"regexp"
	"strconv"
	"time"
)

const engine = "/var/run/docker.sock"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	socket := flag.String("proxysocketendpoint", "", "the `path` of the socket to listen on")
	mode := flag.String("proxysocketendpointfilemode", "0600", "its mode")
	allowed := flag.String("allowGET", "", "the `pattern` of paths")
	flag.Parse()
	pattern, err := regexp.Compile("^(?:" + *allowed + ")$")
	if err != nil {
		return err
	}
	bits, err := strconv.ParseUint(*mode, 8, 32)
	if err != nil {
		return err
	}
	l, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(*socket, os.FileMode(bits)); err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker"
		},
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", engine)
		}},
		FlushInterval: -1, // events are a stream
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !pattern.MatchString(r.URL.Path) {
			log.Printf("refused %s %s", r.Method, r.URL.Path)
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	return server.Serve(l)
}
