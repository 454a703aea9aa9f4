package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/test/stsfake"
)

// TestNoNetwork has a real dialer, in real time, find nobody at STS's address, and no address of STS.
func TestNoNetwork(t *testing.T) {
	for _, tt := range []struct {
		name, host string
		dialer     net.Dialer
		want       string
	}{
		{"connection refused", closedPort(t), net.Dialer{}, "dial tcp HOST: connect: connection refused"},
		{"DNS failure", "sts.invalid", net.Dialer{Resolver: nameless(t)}, "dial tcp: lookup HOST on SERVER: no such host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			write(t, ".aws/credentials", profile(stsfake.New().AddUser("developer")))
			t.Setenv("AWS_ENDPOINT_URL_STS", "http://"+tt.host)
			handler, keeper := handOut(t, dialing(tt.dialer.DialContext), time.Now)
			go keeper.Run(t.Context())
			status, body, took := askPage(handler)
			var d document
			if err := json.Unmarshal([]byte(body), &d); err != nil {
				t.Fatal(err)
			}
			got := nameServer.ReplaceAllString(d.Message, " on SERVER: ")
			want := "STS cannot be reached: " + strings.ReplaceAll(tt.want, "HOST", tt.host) +
				"; check the network, aws.region (us-east-1) and AWS_ENDPOINT_URL_STS"
			if status != http.StatusServiceUnavailable || d.Code != "Failed" || got != want {
				t.Errorf("got  %d %s: %s\nwant 503 Failed: %s", status, d.Code, got, want)
			}
			if took > time.Second {
				t.Errorf("answered after %v", took)
			}
		})
	}
}

// closedPort is an address of this machine where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

// nameServer is that of this machine's configuration, which is named even though nameless does not ask it.
var nameServer = regexp.MustCompile(` on \S+:53: `)

// nameless resolves by a DNS server that knows no name.
func nameless(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		for buf := make([]byte, 512); ; {
			n, client, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			buf[2] |= 0x80            // the question comes back as an answer
			buf[3] = buf[3]&^0x0f | 3 // NXDOMAIN (RFC 1035 section 4.1.1)
			_, _ = server.WriteTo(buf[:n], client)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}
