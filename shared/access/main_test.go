package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"
)

// TestMain signs a token before any test does. The encoders of JSON make what they need for a
// type when they first meet it, behind a sync.WaitGroup that they share with whoever comes
// meanwhile. One that was made within a bubble of synctest must not be waited for outside
// (Go 1.26: a nil pointer in WaitGroup.Wait), and tests of both kinds run at once.
func TestMain(m *testing.M) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	if _, err := signed(jose.ES256, "first", key, (&issuer{}).claims(nil)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
