package tokenreview

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	defaultServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

	// maxConnections bounds reviews in progress: the binary has no HTTP/2, and many pods may start at once. A quarter stay open.
	maxConnections     = 64
	maxIdleConnections = 16
	idleTimeout        = 90 * time.Second
	maxFileSize        = 1 << 20 // bytes of a certificate, key or token
)

// server is an API server with the daemon's own credentials for it. It is immutable.
type server struct {
	url       string // without a slash at its end
	client    *http.Client
	own       string // token; "" if tokenFile has it, or a client certificate is used
	tokenFile string // read for each request: it is rotated
}

// findServer finds the API server of the options.
func findServer(opt Options) (*server, error) {
	getenv := opt.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	files := []string{opt.Kubeconfig}
	if opt.Kubeconfig == "" {
		files = nil
		for _, file := range filepath.SplitList(getenv("KUBECONFIG")) {
			if file != "" {
				files = append(files, file)
			}
		}
	}
	if len(files) == 0 {
		return inCluster(opt, getenv)
	}
	c, err := readKubeconfigs(files)
	if err != nil {
		return nil, err
	}
	s, err := c.server(opt.Context)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", strings.Join(files, ", "), err)
	}
	return s, nil
}

// inCluster is the API server of the cluster that the daemon's own pod runs in.
func inCluster(opt Options, getenv func(string) string) (*server, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("pod_identity.verify tokenreview: no API server; set pod_identity.kubeconfig, such as to ~/.kube/config")
	}
	dir := opt.ServiceAccountDir
	if dir == "" {
		dir = defaultServiceAccountDir
	}
	s, err := newServer(
		&cluster{Server: "https://" + net.JoinHostPort(host, port), CAFile: filepath.Join(dir, "ca.crt")},
		&user{TokenFile: filepath.Join(dir, "token")})
	if err != nil {
		return nil, fmt.Errorf("service account of the daemon's pod: %w", err)
	}
	return s, nil
}

func (c *kubeconfig) server(context string) (*server, error) {
	cluster, user, err := c.entries(context)
	if err != nil {
		return nil, err
	}
	return newServer(cluster, user)
}

// newServer makes a server, and reads the files that both entries name.
func newServer(c *cluster, u *user) (*server, error) {
	if err := u.unsupported(); err != nil {
		return nil, err
	}
	address, err := parseServer(c.Server)
	if err != nil {
		return nil, err
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	if config.Certificates, err = u.certificate(); err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, MaxConnsPerHost: maxConnections, MaxIdleConnsPerHost: maxIdleConnections,
		IdleConnTimeout: idleTimeout, TLSHandshakeTimeout: 10 * time.Second,
	}
	if c.ProxyURL != "" {
		proxy, err := url.Parse(c.ProxyURL)
		if err != nil || proxy.Host == "" {
			return nil, errors.New("the proxy-url of the cluster is not a URL; correct it")
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	s := &server{
		url: address, own: u.Token, tokenFile: u.TokenFile,
		client: &http.Client{
			Transport: transport,
			// The request holds a token: it must not go on to another server.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	_, err = s.token()
	return s, err
}

// parseServer checks the URL of an API server. Only this machine's may be asked in the clear, such as one of kubectl proxy.
func parseServer(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("the server of the cluster is not a URL; correct it: kubectl config set-cluster NAME --server=https://…")
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return "", errors.New("the server of the cluster is not an https URL, and tokens must not be sent in the clear; correct it: kubectl config set-cluster NAME --server=https://…")
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// tls returns how the server is authenticated. Data wins over a file, as in kubectl.
func (c *cluster) tls() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.TLSServerName,
		InsecureSkipVerify: c.Insecure, //nolint:gosec // the user says so in the kubeconfig
	}
	if c.CAData == "" && c.CAFile == "" {
		return config, nil // the system's
	}
	text, err := dataOrFile("certificate-authority", c.CAData, c.CAFile)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, errors.New("the certificate-authority of the cluster holds no certificate in PEM; correct it")
	}
	return config, nil
}

// certificate returns the client certificate of a user; none is no error.
func (u *user) certificate() ([]tls.Certificate, error) {
	if u.CertData == "" && u.CertFile == "" {
		return nil, nil
	}
	cert, err := dataOrFile("client-certificate", u.CertData, u.CertFile)
	if err != nil {
		return nil, err
	}
	key, err := dataOrFile("client-key", u.KeyData, u.KeyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.New("the client-certificate and the client-key of the user are no pair in PEM; correct them")
	}
	return []tls.Certificate{pair}, nil
}

// dataOrFile returns the content of the data of an entry, else of its file. Its errors hold no content.
func dataOrFile(entry, data, file string) ([]byte, error) {
	if data != "" {
		text, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, fmt.Errorf("the %s-data is not base64; correct it", entry)
		}
		return text, nil
	}
	if file == "" {
		return nil, fmt.Errorf("the %s is missing; add it", entry)
	}
	text, err := readBounded(file, maxFileSize)
	if err != nil {
		return nil, fmt.Errorf("the %s %s cannot be read: %w; let the daemon's user read it", entry, file, reason(err))
	}
	return text, nil
}

// token returns the daemon's own token, "" with a client certificate. As in kubectl, a file wins over a value.
func (s *server) token() (string, error) {
	token := s.own
	if s.tokenFile != "" {
		text, err := readBounded(s.tokenFile, maxFileSize)
		if err != nil {
			return "", fmt.Errorf("the token file %s cannot be read: %w; let the daemon's user read it", s.tokenFile, reason(err))
		}
		token = strings.TrimSpace(string(text))
		if token == "" {
			return "", fmt.Errorf("the token file %s is empty; put a token into it: kubectl create token SERVICEACCOUNT", s.tokenFile)
		}
	}
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return "", errors.New("the daemon's own token holds blanks or control characters; correct it: kubectl create token SERVICEACCOUNT")
	}
	return token, nil
}

// readBounded reads a regular file: a pipe would block.
func readBounded(file string, limit int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return text, err
}
