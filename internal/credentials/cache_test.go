package credentials

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// disk is a cache directory and the log of the daemons that use it.
type disk struct {
	dir string
	log bytes.Buffer
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	return &disk{dir: filepath.Join(t.TempDir(), "state", "credentials")}
}

// onDisk is a Spec whose credentials are cached.
func onDisk() Spec {
	s := session("i-0123456789abcdef0")
	s.RefreshBefore, s.Cache = 25*time.Minute, true
	return s
}

// daemon runs a keeper of s within a bubble, as a daemon does, until stop.
func (d *disk) daemon(t *testing.T, s Spec, p Provider) (k *Keeper, stop func()) {
	t.Helper()
	pool := NewPool(PoolOptions{
		Provide: func(Spec) Provider { return p }, CacheDir: d.dir, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	})
	k = pool.Keeper(s)
	pool.Retain([]Spec{s}, nil)
	pool.Start(t.Context())
	return k, pool.Close
}

// run lets a daemon get credentials of that lifetime, and stops it.
func (d *disk) run(t *testing.T, s Spec, lifetime time.Duration) {
	t.Helper()
	_, stop := d.daemon(t, s, secrets(lifetime))
	synctest.Wait()
	stop()
}

// secrets provides complete credentials.
func secrets(lifetime time.Duration) Provider {
	return providerFunc(func(context.Context) (*Credentials, error) {
		now := time.Now().UTC()
		return &Credentials{
			AccessKeyID: "ASIACACHED", SecretAccessKey: "hunter2-secret", SessionToken: "hunter2-token", Expiration: now.Add(lifetime),
			LastUpdated: now, ARN: "arn:aws:sts::123456789012:assumed-role/myrole/i", AccountID: "123456789012",
		}, nil
	})
}

var hanging = providerFunc(func(ctx context.Context) (*Credentials, error) {
	<-ctx.Done()
	return nil, ctx.Err()
})

func failing(err error) Provider {
	return providerFunc(func(context.Context) (*Credentials, error) { return nil, err })
}

// files are the names in the directory.
func (d *disk) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(d.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, filepath.Join(d.dir, e.Name()))
	}
	return names
}

// file is the only file of the directory.
func (d *disk) file(t *testing.T) string {
	t.Helper()
	all := d.files(t)
	if len(all) != 1 {
		t.Fatalf("files %q, want one", all)
	}
	return all[0]
}

func TestCache_NextRunServesTheFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		d.run(t, onDisk(), time.Hour)
		time.Sleep(10 * time.Minute)
		k, stop := d.daemon(t, onDisk(), hanging)
		defer stop()
		start := time.Now()
		c, err := k.Get(t.Context())
		if err != nil || time.Since(start) != 0 {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		want, _ := secrets(0).Retrieve(t.Context())
		if c.AccessKeyID != want.AccessKeyID || c.SecretAccessKey != want.SecretAccessKey || c.SessionToken != want.SessionToken ||
			c.ARN != want.ARN || c.AccountID != want.AccountID || time.Until(c.Expiration) != 50*time.Minute || time.Since(c.LastUpdated) != 10*time.Minute {
			t.Errorf("not what was issued: %v, %v", c.Expiration, c.LastUpdated)
		}
		if state := k.State(); !state.Valid || state.CacheFile != d.file(t) || state.ARN != want.ARN {
			t.Errorf("state %+v", state)
		}
		time.Sleep(50*time.Minute - time.Nanosecond)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("just before the expiry: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := k.Get(t.Context()); err == nil {
			t.Error("served after the expiry")
		}
	})
}

func TestCache_FirstCallReplacesWhatTheLastRunLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		d.run(t, onDisk(), time.Hour)
		time.Sleep(10 * time.Minute)
		k, stop := d.daemon(t, onDisk(), secrets(time.Hour))
		synctest.Wait()
		if c, err := k.Get(t.Context()); err != nil || time.Until(c.Expiration) != time.Hour {
			t.Errorf("%v, %v; want new credentials", c, err)
		}
		stop()
		k, stop = d.daemon(t, onDisk(), hanging)
		defer stop()
		if c, err := k.Get(t.Context()); err != nil || time.Until(c.Expiration) != time.Hour {
			t.Errorf("%v, %v; want those of the second run", c, err)
		}
	})
}

// Credentials with less than 20 minutes to live are for the case that STS does not answer.
func TestCache_CredentialsDueForRefreshWaitForTheFirstCall(t *testing.T) {
	for _, tt := range []struct {
		name     string
		provider Provider
		left     time.Duration
		took     time.Duration
	}{
		{name: "STS answers", left: time.Hour, took: 300 * time.Millisecond, provider: providerFunc(func(ctx context.Context) (*Credentials, error) {
			time.Sleep(300 * time.Millisecond)
			return secrets(time.Hour).Retrieve(ctx)
		})},
		{name: "STS fails", provider: failing(transient), left: 10 * time.Minute},
		{name: "STS fails later", left: 10 * time.Minute, took: 300 * time.Millisecond, provider: providerFunc(func(context.Context) (*Credentials, error) {
			time.Sleep(300 * time.Millisecond)
			return nil, transient
		})},
		{name: "STS hangs", provider: hanging, left: 10 * time.Minute, took: restoreDelay},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDisk(t)
				d.run(t, onDisk(), time.Hour)
				time.Sleep(50 * time.Minute)
				k, stop := d.daemon(t, onDisk(), tt.provider)
				defer stop()
				start := time.Now()
				synctest.Wait() // the file has been read
				c, err := k.Get(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if left, took := c.Expiration.Sub(start), time.Since(start); left.Round(time.Second) != tt.left || took != tt.took {
					t.Errorf("%v left after %v, want %v after %v", left, took, tt.left, tt.took)
				}
			})
		})
	}
}

func TestCache_ClockSetBackDoesNotRestoreTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := newDisk(t), &wall{}
		d.run(t, onDisk(), time.Hour)
		time.Sleep(50 * time.Minute)
		pool := NewPool(PoolOptions{Provide: func(Spec) Provider { return failing(transient) }, CacheDir: d.dir, Now: w.now})
		k := pool.Keeper(onDisk())
		pool.Retain([]Spec{onDisk()}, nil)
		pool.Start(t.Context())
		defer pool.Close()
		time.Sleep(time.Minute)
		w.set(-time.Hour)
		time.Sleep(10 * time.Minute)
		if c, err := k.Get(t.Context()); err == nil {
			t.Errorf("served %v ago expired credentials", time.Since(c.Expiration))
		}
	})
}

func TestCache_OnlyTheUserCanReadIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		d.run(t, onDisk(), time.Hour)
		for path, want := range map[string]os.FileMode{d.file(t): 0o600, d.dir: 0o700, filepath.Dir(d.dir): 0o700} {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
			}
		}
		if name := d.file(t); strings.Contains(name, "myrole") || strings.Contains(d.log.String(), "hunter2") {
			t.Errorf("%s\n%s", name, d.log.String())
		}
	})
}

func TestCache_ExpiredFilesAreDeleted(t *testing.T) {
	t.Run("while the daemon runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDisk(t)
			d.run(t, onDisk(), time.Hour)
			k, stop := d.daemon(t, onDisk(), failing(transient))
			defer stop()
			time.Sleep(61 * time.Minute)
			if all := d.files(t); len(all) > 0 || k.State().CacheFile != "" {
				t.Errorf("%q is still there; %+v", all, k.State())
			}
		})
	})
	t.Run("at the next start, of other credentials too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, other := newDisk(t), onDisk()
			other.SessionName = "other"
			d.run(t, other, time.Hour)
			time.Sleep(time.Hour)
			d.run(t, onDisk(), 2*time.Hour)
			if name := d.file(t); strings.Contains(d.log.String(), "WARN") {
				t.Errorf("%s\n%s", name, d.log.String())
			}
		})
	})
	t.Run("half-written ones", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDisk(t)
			half := testutil.Write(t, filepath.Join(d.dir, cacheTemp+"1"), "hunter2")
			if err := os.Chtimes(half, time.Now(), time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
			d.run(t, onDisk(), time.Hour)
			if d.file(t) == half {
				t.Error("still there")
			}
		})
	})
	t.Run("when the cache is switched off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, off := newDisk(t), onDisk()
			d.run(t, onDisk(), time.Hour)
			off.Cache = false
			d.run(t, off, time.Hour)
			if all := d.files(t); len(all) > 0 {
				t.Errorf("%q is still there", all)
			}
		})
	})
}

func TestCache_OtherCredentialsAreNotServed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Spec)
	}{
		{"role", func(s *Spec) { s.RoleARN += "2" }},
		{"profile", func(s *Spec) { s.Profile = "other" }},
		{"session name", func(s *Spec) { s.SessionName = "other" }},
		{"policy", func(s *Spec) { s.Policy = "{}" }},
		{"session tag", func(s *Spec) { s.SessionTags = map[string]string{"a": "1"} }},
		{"external id", func(s *Spec) { s.ExternalID = "other" }},
		{"region", func(s *Spec) { s.Region = "eu-west-1" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, other := newDisk(t), onDisk()
				d.run(t, onDisk(), time.Hour)
				tt.change(&other)
				k, stop := d.daemon(t, other, hanging)
				defer stop()
				synctest.Wait()
				if k.State().Valid {
					t.Error("served")
				}
			})
		})
	}
	t.Run("another STS", func(t *testing.T) {
		s := onDisk()
		if newCacheFile(s, "", "", nil, nil).key == newCacheFile(s, "", "http://127.0.0.1:4566", nil, nil).key {
			t.Error("one file for both")
		}
	})
	t.Run("a change of refresh_before", func(t *testing.T) {
		s, same := onDisk(), onDisk()
		same.RefreshBefore = 15 * time.Minute
		if newCacheFile(s, "", "", nil, nil).key != newCacheFile(same, "", "", nil, nil).key {
			t.Error("another file, although they are the same credentials")
		}
	})
}

func TestCache_MadeUpAndProfilesCredentialsAreNotKept(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Spec)
	}{
		{"mock", func(s *Spec) { s.Mock = true }},
		{"the profile's own", func(s *Spec) { s.RoleARN = "" }},
		{"memory", func(s *Spec) { s.Cache = false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := newDisk(t), onDisk()
				tt.change(&s)
				d.run(t, s, time.Hour)
				if all := d.files(t); len(all) > 0 {
					t.Errorf("kept in %q", all)
				}
			})
		})
	}
}

func TestCache_UnusableFileIsIgnoredWithOneLine(t *testing.T) {
	replace := func(from, to string) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			t.Helper()
			text, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(text), from) {
				t.Fatalf("%v, no %s", err, from)
			}
			testutil.Write(t, file, strings.ReplaceAll(string(text), from, to))
		}
	}
	write := func(content string) func(*testing.T, string) {
		return func(t *testing.T, file string) { t.Helper(); testutil.Write(t, file, content) }
	}
	chmod := func(mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			t.Helper()
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, file string)
		want  string
	}{
		{"empty", write(""), "it is damaged"},
		{"half", write(`{"version": 1, "secret_access_key": "hunter2`), "it is damaged"},
		{"no secret", replace("hunter2-secret", ""), "it is damaged"},
		{"no token", replace("hunter2-token", ""), "it is damaged"},
		{"bad time", replace("2000-01-01T01", "hunter2"), "it is damaged"},
		{"other version", replace(`"version":1`, `"version":2`), "it is of version 2, not 1"},
		{"other key", replace(`"key":"`, `"key":"0`), "it is of other credentials"},
		{"prolonged", replace("2000-01-01T01", "2000-01-03T01"), "it has an expiry that STS does not give"},
		{"large", write(strings.Repeat(" ", maxCacheFile+1)), "it is not a file of credentials"},
		{"readable for others", chmod(0o640), "other users have rights on it (mode 0640)"},
		{"a directory", func(t *testing.T, file string) {
			t.Helper()
			if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, "it is not a file of credentials"},
		{"a link", func(t *testing.T, file string) {
			t.Helper()
			if err := errors.Join(os.Rename(file, file+"x"), os.Symlink(file+"x", file)); err != nil {
				t.Fatal(err)
			}
		}, "it is not a file of credentials"},
		{"in a directory of all", func(t *testing.T, file string) {
			t.Helper()
			if err := os.Chmod(filepath.Dir(file), 0o777); err != nil {
				t.Fatal(err)
			}
		}, "is not private: other users have rights on it (mode 0777)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDisk(t)
				d.run(t, onDisk(), time.Hour)
				tt.spoil(t, d.file(t))
				d.log.Reset()
				k, stop := d.daemon(t, onDisk(), hanging)
				synctest.Wait()
				if k.State().Valid {
					t.Error("served")
				}
				stop()
				log := d.log.String()
				if strings.Count(log, "\n") != 1 || !strings.Contains(log, `msg="cannot use cached credentials"`) || !strings.Contains(log, tt.want) ||
					!strings.Contains(log, "hint=") || strings.Contains(log, "hunter2") {
					t.Errorf("log:\n%swant one line: %s", log, tt.want)
				}
			})
		})
	}
}

func TestCache_FromTheFutureIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := newDisk(t), &wall{}
		d.run(t, onDisk(), time.Hour)
		w.set(-time.Hour)
		f := newCacheFile(onDisk(), d.dir, "", slog.New(slog.NewTextHandler(&d.log, nil)), w.now)
		if c := f.load(); c != nil || !strings.Contains(d.log.String(), "it is from the future: the clock has been set back") {
			t.Errorf("%v\n%s", c, d.log.String())
		}
	})
}

func TestCache_UnwritableDirectoryIsLoggedOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		dir  func(t *testing.T) string
		want string
	}{
		{"no home", func(*testing.T) string { return "" }, "no home directory"},
		{"a file", func(t *testing.T) string { t.Helper(); return testutil.WriteTemp(t, "file", "") }, "not a directory"},
		{"of all", func(t *testing.T) string {
			t.Helper()
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "is not private"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &disk{dir: tt.dir(t)}
				k, stop := d.daemon(t, onDisk(), secrets(time.Hour))
				time.Sleep(3 * time.Hour)
				if state := k.State(); !state.Valid || state.CacheFile != "" {
					t.Errorf("state %+v", state)
				}
				stop()
				if log := d.log.String(); strings.Count(log, `msg="cannot cache credentials on disk"`) != 1 || !strings.Contains(log, tt.want) {
					t.Errorf("log:\n%swant once: %s", log, tt.want)
				}
			})
		})
	}
}
