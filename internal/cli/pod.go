package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/sdkenv"
	"mock-ec2-metadata/internal/terminal"
)

const (
	// podTokenLife is that of the tokens that EKS gives pods (container-credentials-reference section 5.1).
	podTokenLife = 24 * time.Hour
	// podTokenRenewal is when the token of a command is replaced, as the kubelet does at 80 % of its life.
	podTokenRenewal = podTokenLife * 8 / 10
)

// ofPod finds the pod's association, and returns the flags of the daemon for it: one that takes the tokens which it signs itself.
func (w *execWay) ofPod(f *flags, loaded *config.Loaded) (*flags, error) {
	a, err := associationOf(loaded, w.namespace, w.account)
	if err != nil {
		return nil, err
	}
	w.namespace, w.account, w.role = a.Namespace, a.ServiceAccount, a.Role
	own := *f
	for _, o := range [][2]string{{"enabled", "true"}, {"verify", config.VerifyJWKS}, {"jwks", ""}, {"issuer", ""}, {"kubeconfig", ""}} {
		own.also = append(own.also, config.Option{Flag: "--pod-identity", Path: "pod_identity." + o[0], Value: o[1]})
	}
	return &own, nil
}

// associationOf finds the association of a service account; of the only one if none is named.
func associationOf(loaded *config.Loaded, namespace, account string) (*config.Association, error) {
	all := loaded.Config.PodIdentity.Associations
	var found []*config.Association
	var names []string
	for i := range all {
		a := &all[i]
		names = append(names, a.String())
		if (namespace == "" || a.Namespace == namespace) && (account == "" || a.ServiceAccount == account) {
			found = append(found, a)
		}
	}
	wanted := "such association"
	if namespace != "" && account != "" {
		wanted = "association of " + namespace + "/" + account
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("%s has no pod_identity.associations; add one with namespace, service_account and role", loaded.Name())
	case len(found) == 0:
		return nil, fmt.Errorf("%s has no %s: pod_identity.associations has %s; add it, or name one of these", loaded.Name(), wanted, namesOrNone(names))
	case len(found) > 1:
		return nil, fmt.Errorf("%s has several associations: %s; name one with --namespace and --service-account", loaded.Name(), namesOrNone(names))
	}
	return found[0], nil
}

// podChanges are those for a pod. It writes the pod's token to a file, keeps that fresh until stop, and waits for the credentials.
func (d *execDaemon) podChanges(ctx context.Context, f *flags, way *execWay, stderr io.Writer) (sdkenv.Changes, error) {
	s := d.app.State()
	signer, err := podidentity.OpenSigner(app.StateDir(s.Config.Config))
	if err != nil {
		return sdkenv.Changes{}, err
	}
	dir, err := os.MkdirTemp("", "mock-ec2-metadata-pod-")
	if err != nil {
		return sdkenv.Changes{}, fmt.Errorf("no directory for the pod's token: %w", err)
	}
	file := filepath.Join(dir, "eks-pod-identity-token")
	renew := func() error {
		return writeToken(file, signer, podidentity.Token{
			Namespace: way.namespace, ServiceAccount: way.account, PodName: way.account,
			Issuer: app.PodIssuer, Audience: s.Config.Config.PodIdentity.Audience, IssuedAt: time.Now(), Lifetime: podTokenLife,
		})
	}
	ended := make(chan struct{})
	stop := d.stop
	d.stop = func() {
		close(ended)
		_ = os.RemoveAll(dir)
		stop()
	}
	if err := renew(); err != nil {
		return sdkenv.Changes{}, err
	}
	go keepToken(renew, ended, stderr)
	d.settlePod(ctx, way, file, stderr)
	return sdkenv.NewPod(d.url, file, s.Instance.Region, f.environ), nil
}

// keepToken renews a token until ended is closed.
func keepToken(renew func() error, ended <-chan struct{}, stderr io.Writer) {
	ticker := time.NewTicker(podTokenRenewal)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			if err := renew(); err != nil {
				fmt.Fprintf(stderr, "mock-ec2-metadata: the pod's token cannot be renewed: %v\n", err)
			}
		}
	}
}

// writeToken signs a token and puts it into a file, without the end of a line, which SDKs refuse. Readers see the old or the new one.
func writeToken(file string, signer *podidentity.Signer, t podidentity.Token) error {
	token, err := signer.Sign(t)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // readable by this user alone, whatever is there
	if err != nil {
		return err
	}
	_, err = fresh.WriteString(token)
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), file)
	}
	if err != nil {
		_ = os.Remove(fresh.Name())
	}
	return err
}

// settlePod waits for a pod's credentials for at most 5 seconds, and asks on the terminal for the MFA codes that this takes. Without
// credentials it says why.
func (d *execDaemon) settlePod(ctx context.Context, way *execWay, file string, stderr io.Writer) {
	problem := d.askPod(ctx, file)
	if problem != "" && terminal.Attached() {
		asker := roleAsker{d.app, way.role}
		if asker.MFASerial() != "" {
			terminal.NewPrompt(os.Stdin, stderr).Answer(ctx, asker)
			problem = d.askPod(ctx, file)
		}
	}
	if problem != "" && ctx.Err() == nil {
		fmt.Fprintf(stderr, "mock-ec2-metadata: no credentials for %s/%s: %s\n", way.namespace, way.account, problem)
	}
}

// askPod asks for a pod's credentials until there is an answer other than 503, for at most 5 seconds. It returns why there are none.
func (d *execDaemon) askPod(ctx context.Context, file string) (problem string) {
	ctx, cancel := context.WithTimeout(ctx, roleTimeout)
	defer cancel()
	for {
		status, text, err := d.askPodOnce(ctx, file)
		switch {
		case err != nil && problem != "": // the time is up
			return problem
		case err != nil:
			return err.Error()
		case status == http.StatusOK:
			return ""
		case status != http.StatusServiceUnavailable:
			return text
		}
		problem = text
	}
}

func (d *execDaemon) askPodOnce(ctx context.Context, file string) (status int, text string, err error) {
	token, err := os.ReadFile(file) //nolint:gosec // our own file
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"v1/credentials", http.NoBody)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", string(token))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // the proxy settings are for the network outside
	resp, err := client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if err != nil {
		return 0, "", fmt.Errorf("the daemon does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		return resp.StatusCode, "", nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, strings.TrimSpace(string(body)), nil
}
