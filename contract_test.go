package main

import (
	"bytes"
	"os"
	"testing"

	"homebase/db"
)

// The document is kept beside the code so that a change of the contract is a
// change that somebody reads.
func TestContract_IsWhatIsWrittenDown(t *testing.T) {
	t.Parallel()
	const golden = "testdata/openapi.json"
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var got, log bytes.Buffer
	if err := run(t.Context(), &db.Shell{Stdout: &got, Stderr: &log}, nil, []string{"openapi"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the contract changed; if it only grew: bin/homebase openapi > %s, and commit it with the change", golden)
	}
}
