package cli_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"tidemark/shared/local/localtest"
)

// TestSystemdSocket starts an exporter as systemd does: with a socket that is open already.
func TestSystemdSocket(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	var said bytes.Buffer
	// Which process the socket is for is known only once that runs.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "exporter", "--web.systemd-socket")
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0", "LISTEN_FDS=1", "TIDEMARK_DATABASE_URL="+localtest.Database(t))
	cmd.ExtraFiles, cmd.Stderr = []*os.File{socket}, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The socket queues the request until the exporter takes it.
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + listener.Addr().String() + "/-/ready")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if string(body) != "ready\n" {
		t.Errorf("%s %s", answer.Status, body)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &said)
	}
}
