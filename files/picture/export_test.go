package picture

import (
	"bytes"
	"io"
)

// Weigh is how much memory decoding a picture takes at most, and MaxDecoded
// what it may take.
func Weigh(picture []byte) (memory int64, err error) {
	_, _, memory, err = weigh(func() io.Reader { return bytes.NewReader(picture) })
	return memory, err
}

const MaxDecoded = maxDecoded
