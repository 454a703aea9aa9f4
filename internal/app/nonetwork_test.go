package app

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// TestSTS_UnreachableAnswersWithTheReason uses a real dialer, in real time.
func TestSTS_UnreachableAnswersWithTheReason(t *testing.T) {
	for _, tt := range []struct {
		name   string
		host   string // of STS
		dialer net.Dialer
		want   string
	}{
		{name: "connection refused", host: testutil.FreeAddr(t), want: "dial tcp HOST: connect: connection refused"},
		{
			name: "DNS failure", host: "sts.invalid", dialer: net.Dialer{Resolver: nameless(t)},
			want: "dial tcp: lookup HOST on SERVER: no such host",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			testutil.Write(t, ".aws/credentials", profile(stsfake.New().AddUser("developer")))
			t.Setenv("AWS_ENDPOINT_URL_STS", "http://"+tt.host)
			opt := options(load(t, "", "credentials.source_profile=default", "credentials.iam_role="+roleARN))
			opt.HTTP = dialing(tt.dialer.DialContext)
			d := startWith(t, opt)
			asked := time.Now()
			status, body := d.get(t, rolePath)
			took := time.Since(asked)
			var doc document
			if err := json.Unmarshal([]byte(body), &doc); err != nil {
				t.Fatal(err)
			}
			got := nameServer.ReplaceAllString(doc.Message, " on SERVER: ")
			want := "STS cannot be reached: " + strings.ReplaceAll(tt.want, "HOST", tt.host) +
				"; check the network, aws.region (us-east-1) and AWS_ENDPOINT_URL_STS"
			if status != http.StatusServiceUnavailable || doc.Code != "Failed" || got != want {
				t.Errorf("got  %d %s: %s\nwant 503 Failed: %s", status, doc.Code, got, want)
			}
			if took > time.Second {
				t.Errorf("answered after %v", took)
			}
		})
	}
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
