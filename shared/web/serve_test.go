package web

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// start serves until stop is called, which returns what Serve returned.
func start(t *testing.T, o Options, h http.Handler) (addresses []string, stop func() error) {
	t.Helper()
	o.OnListen = func(bound []net.Addr) {
		for _, a := range bound {
			addresses = append(addresses, a.String())
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Listen(ctx, o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, h) }()
	t.Cleanup(cancel)
	return addresses, func() error { cancel(); return <-ended }
}

// client keeps no connection, trusts every certificate and speaks HTTP/2 where it can.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })

// write makes a file of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate returns the files of a certificate and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return write(t, "cert.pem", text("CERTIFICATE", der)), write(t, "key.pem", text("PRIVATE KEY", secret))
}

// TestTLSAndBasicAuth serves on two addresses at once: both have what the file says.
func TestTLSAndBasicAuth(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	config := write(t, "web.yml", fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s}\nbasic_auth_users: {prometheus: %s}\n", cert, key, hash))
	addresses, stop := start(t, Options{Addresses: []string{"127.0.0.1:0", "127.0.0.1:0"}, ConfigFile: config}, hello)
	if len(addresses) != 2 || addresses[0] == addresses[1] {
		t.Fatalf("bound %v", addresses)
	}
	c := client(t)
	for _, address := range addresses {
		for password, status := range map[string]int{"right": http.StatusOK, "wrong": http.StatusUnauthorized, "": http.StatusUnauthorized} {
			r, _ := http.NewRequest(http.MethodGet, "https://"+address, nil)
			if password != "" {
				r.SetBasicAuth("prometheus", password)
			}
			answer, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != status || (string(body) == "hello") != (status == http.StatusOK) {
				t.Errorf("%s with password %q: %s %s, want %d", address, password, answer.Status, body, status)
			}
		}
		answer, err := c.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %s", answer.Status)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("a clean stop returned %v", err)
	}
}

// TestRefusals: an error names the thing, the reason and the next step.
func TestRefusals(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	address := taken.Addr().String()
	for name, c := range map[string]struct {
		options Options
		says    []string
	}{
		"no port":          {Options{Addresses: []string{"9877"}}, []string{`--web.listen-address "9877"`, "is not host:port", "for example"}},
		"port of no kind":  {Options{Addresses: []string{"127.0.0.1:seven"}}, []string{`"seven" is not a port`, "choose"}},
		"port too high":    {Options{Addresses: []string{"127.0.0.1:65536"}}, []string{`"65536" is not a port`, "choose"}},
		"taken":            {Options{Addresses: []string{"127.0.0.1:0", address}}, []string{"listen on " + address, "address already in use", "choose another one with --web.listen-address"}},
		"not this machine": {Options{Addresses: []string{"192.0.2.1:0"}}, []string{"listen on 192.0.2.1:0", "cannot assign requested address", "of this machine"}},
		"nothing":          {Options{Addresses: []string{""}}, []string{"--web.listen-address", "no address given"}},
		"systemd is away":  {Options{SystemdSocket: true}, []string{"--web.systemd-socket", "no socket", ".socket unit"}},
		"both":             {Options{SystemdSocket: true, Addresses: []string{address}}, []string{"--web.systemd-socket", "leave --web.listen-address out"}},
		"no config file":   {Options{Addresses: []string{"127.0.0.1:0"}, ConfigFile: "/nowhere/web.yml"}, []string{"--web.config.file /nowhere/web.yml", "no such file", "https://"}},
		"config unknown":   {Options{Addresses: []string{"127.0.0.1:0"}, ConfigFile: write(t, "a.yml", "tls: {}")}, []string{"--web.config.file", "a.yml", "field tls not found"}},
		"config no key":    {Options{Addresses: []string{"127.0.0.1:0"}, ConfigFile: write(t, "b.yml", "tls_server_config: {cert_file: x}")}, []string{"b.yml", "missing one of key or key_file"}},
		"config no cert":   {Options{Addresses: []string{"127.0.0.1:0"}, ConfigFile: write(t, "c.yml", "tls_server_config: {cert_file: x, key_file: y}")}, []string{"c.yml", "cert_file", "no such file"}},
		"config no hash":   {Options{Addresses: []string{"127.0.0.1:0"}, ConfigFile: write(t, "d.yml", "basic_auth_users: {me: secret}")}, []string{"d.yml", "hash"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Listen(t.Context(), c.options, slog.New(slog.DiscardHandler))
			for _, want := range c.says {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

// TestListenBindsAllOrNone: what was bound before the address that could not be is free again.
func TestListenBindsAllOrNone(t *testing.T) {
	t.Parallel()
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	if _, err := Listen(t.Context(), Options{Addresses: []string{first.Addr().String(), second.Addr().String()}}, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("bound an address twice")
	}
	again, err := net.Listen("tcp", first.Addr().String())
	if err != nil {
		t.Fatalf("the first address was kept: %v", err)
	}
	again.Close()
}

// TestOtherPort: a default address that is taken costs a warning, with the address it is now.
func TestOtherPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log strings.Builder
	s, err := Listen(t.Context(), Options{Addresses: []string{taken.Addr().String()}, OtherPort: true}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	bound := s.listeners[0].Addr().String()
	if bound == taken.Addr().String() || !strings.HasPrefix(bound, "127.0.0.1:") {
		t.Errorf("bound %s", bound)
	}
	for _, want := range []string{"level=WARN", bound, taken.Addr().String(), "--web.listen-address"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the warning lacks %s: %s", want, &log)
		}
	}
}

// TestBrokenListenerEndsServe: who cannot be reached must not look alive.
func TestBrokenListenerEndsServe(t *testing.T) {
	t.Parallel()
	s, err := Listen(t.Context(), Options{Addresses: []string{"127.0.0.1:0", "127.0.0.1:0"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.listeners[1].Close()
	if err := s.Serve(t.Context(), hello); err == nil || !strings.Contains(err.Error(), "serve on "+s.listeners[1].Addr().String()) {
		t.Errorf("got %v", err)
	}
}

// TestDrain stops a server with a stream and a request open: the stream's context ends, at
// once, that of the request does not, and both come to their end.
func TestDrain(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	encrypted := write(t, "web.yml", fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s}\n", cert, key))
	for scheme, config := range map[string]string{"http": "", "https": encrypted} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			streamEnded, asked := make(chan struct{}), make(chan struct{})
			mux := http.NewServeMux()
			mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				fmt.Fprint(w, "event: end\n\n")
				close(streamEnded)
			})
			mux.HandleFunc("/request", func(w http.ResponseWriter, r *http.Request) {
				close(asked)
				<-streamEnded
				if r.Context().Err() != nil {
					t.Error("the request was cut off")
				}
				fmt.Fprint(w, "done")
			})
			addresses, stop := start(t, Options{Addresses: []string{"127.0.0.1:0"}, ConfigFile: config}, mux)
			c := client(t)
			stream, err := c.Get(scheme + "://" + addresses[0] + "/stream")
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Body.Close()
			if (stream.ProtoMajor == 2) != (scheme == "https") {
				t.Errorf("%s is served as %s", scheme, stream.Proto)
			}
			answered := make(chan string, 1)
			go func() {
				answer, err := c.Get(scheme + "://" + addresses[0] + "/request")
				if err != nil {
					answered <- err.Error()
					return
				}
				defer answer.Body.Close()
				body, _ := io.ReadAll(answer.Body)
				answered <- string(body)
			}()
			<-asked
			if err := stop(); err != nil {
				t.Errorf("a clean stop returned %v", err)
			}
			if got := <-answered; got != "done" {
				t.Errorf("the request: %s", got)
			}
			if body, err := io.ReadAll(stream.Body); err != nil || string(body) != "event: end\n\n" {
				t.Errorf("the stream: %q, %v", body, err)
			}
		})
	}
}

// TestStreamOutlivesTheWriteTimeout: a handler moves the deadline of its stream.
func TestStreamOutlivesTheWriteTimeout(t *testing.T) {
	t.Parallel()
	const limit = 50 * time.Millisecond
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		c := http.NewResponseController(w)
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, "one\n")
		_ = c.Flush()
		time.Sleep(2 * limit)
		fmt.Fprint(w, "two\n")
	})
	addresses, stop := start(t, Options{Addresses: []string{"127.0.0.1:0"}, WriteTimeout: limit}, h)
	answer, err := client(t).Get("http://" + addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for _, want := range []string{"one", "two"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, %v, want %s", lines.Text(), lines.Err(), want)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("a clean stop returned %v", err)
	}
}

// TestWriteTimeoutEndsOtherAnswers: what does not move its deadline has the server's.
func TestWriteTimeoutEndsOtherAnswers(t *testing.T) {
	t.Parallel()
	const limit = 50 * time.Millisecond
	addresses, stop := start(t, Options{Addresses: []string{"127.0.0.1:0"}, WriteTimeout: limit},
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * limit)
			fmt.Fprint(w, "late")
		}))
	if answer, err := client(t).Get("http://" + addresses[0]); err == nil {
		answer.Body.Close()
		t.Errorf("answered %s after the time was over", answer.Status)
	}
	if err := stop(); err != nil {
		t.Errorf("a clean stop returned %v", err)
	}
}
