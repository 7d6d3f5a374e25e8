package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// maxRow bounds a row in bytes. A quote that is never closed makes one row of the rest
// of the file, which must not end up in memory.
const maxRow = 1 << 20

var errRowTooLong = errors.New("row too long")

// file is an open file that is read several times.
type file struct {
	path     string
	handle   *os.File
	size     int64
	progress func(bytesRead, totalBytes int64)
}

func open(o Options) (*file, error) {
	handle, err := os.Open(o.Path)
	if err != nil {
		return nil, err
	}
	info, err := handle.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: it is not a regular file, and a load reads its file twice; save the data to a file first", o.Path)
	}
	if err != nil {
		_ = handle.Close()
		return nil, err
	}
	f := &file{path: o.Path, handle: handle, size: info.Size(), progress: o.Progress}
	if f.progress == nil {
		f.progress = func(int64, int64) {}
	}
	return f, nil
}

func (f *file) close() { _ = f.handle.Close() }

// changed is the error of a file that is not the same in both passes.
func (f *file) changed() error {
	return fmt.Errorf("%s: it changed while it was being loaded, nothing was written; load it again when nobody writes to it", f.path)
}

// source is one pass over the bytes of a file.
type source struct {
	ctx    context.Context
	file   *file
	before int64
	read   int64
	// mark is where the last row ended.
	mark int64
	hash hash.Hash
}

// rewind begins a pass; before is what the passes in front of it have read.
func (f *file) rewind(ctx context.Context, before int64) (*source, error) {
	if _, err := f.handle.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return &source{ctx: ctx, file: f, before: before, hash: sha256.New()}, nil
}

// Read implements [io.Reader].
func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if s.read-s.mark > maxRow {
		return 0, errRowTooLong
	}
	n, err := s.file.handle.Read(p)
	s.hash.Write(p[:n])
	s.read += int64(n)
	if n > 0 {
		s.file.progress(s.before+s.read, 2*s.file.size)
	}
	return n, err
}

// sum identifies what the pass has read.
func (s *source) sum() (sum [sha256.Size]byte) {
	s.hash.Sum(sum[:0])
	return sum
}
