package files

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // registers with image.Decode, which gives the first frame
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"homebase/httpx"
)

var errNoPreview = httpx.NewProblem(415, "no_preview", "There is no preview of this file").
	With("Pictures in JPEG, PNG and GIF have one.")

const (
	// maxEncoded is how large the file of a picture may be in bytes.
	maxEncoded = 128 << 20
	// maxDecoded is how much memory in bytes decoding may take: 67 million
	// pixels of an ordinary JPEG or a GIF, 13 million of a progressive JPEG,
	// 33 million of a PNG.
	maxDecoded = 192 << 20
	// drawTime bounds the work. A progressive JPEG can ask for any amount of
	// it: each of its scans touches every pixel and may take a few bytes.
	drawTime = 20 * time.Second
	// muchMemory in bytes is given back to the machine at once.
	muchMemory = 16 << 20

	jpegQuality = 85
)

// isPicture reports whether the bytes begin as a picture that can be decoded.
// Names and declared types do not count.
func isPicture(file *os.File) bool {
	head := make([]byte, 32)
	n, _ := file.ReadAt(head, 0) // who cannot be read shows itself later
	switch http.DetectContentType(head[:n]) {
	case "image/jpeg", "image/png", "image/gif":
		return true
	}
	return false
}

// drawSmall decodes the picture in a file of length bytes, and encodes it anew
// so that it stands upright and fits into size pixels each way: as JPEG, or as
// PNG where it is transparent. Nothing but the pixels is taken over. Whether
// there is memory for them is decided by the header, before any is taken.
func drawSmall(file *os.File, length int64, size int) ([]byte, error) {
	until := time.Now().Add(drawTime)
	fromStart := func() io.Reader { return &timedReader{io.NewSectionReader(file, 0, length), until} }
	config, format, err := image.DecodeConfig(fromStart())
	if err != nil {
		return nil, err
	}
	orientation, sequential := 1, true
	if format == "jpeg" {
		orientation, sequential = jpegHeader(fromStart())
	}
	pixels, cost := int64(config.Width)*int64(config.Height), pixelCost(format, config.ColorModel, sequential)
	if pixels > maxDecoded/cost || length > maxEncoded {
		return nil, errNoPreview.With(fmt.Sprintf("With %d × %d pixels in %d bytes the picture is too large for one.", config.Width, config.Height, length))
	}
	if pixels*cost > muchMemory {
		defer debug.FreeOSMemory()
	}
	m, _, err := image.Decode(fromStart())
	if err != nil {
		return nil, err
	}
	w, h := fit(config.Width, config.Height, size)
	small := upright(shrink(m, config.Width, config.Height, w, h), orientation)
	var out bytes.Buffer
	if small.Opaque() {
		// The same bytes, of a type that the encoder is quick with.
		err = jpeg.Encode(&out, &image.RGBA{Pix: small.Pix, Stride: small.Stride, Rect: small.Rect}, &jpeg.Options{Quality: jpegQuality})
	} else {
		err = png.Encode(&out, small)
	}
	return out.Bytes(), err
}

// pixelCost is how many bytes of memory a pixel takes at most while it is
// decoded: more than in the end, because of what decoders hold beside. A GIF's
// takes one, and time like the others'.
func pixelCost(format string, model color.Model, sequential bool) int64 {
	switch {
	case format == "png" && (model == color.RGBA64Model || model == color.NRGBA64Model || model == color.Gray16Model):
		return 12 // 8, and half of it again for a pass of an interlaced one
	case format == "png":
		return 6
	case format == "gif" || sequential && (model == color.YCbCrModel || model == color.GrayModel):
		return 3
	case model == color.YCbCrModel || model == color.GrayModel:
		return 15 // coefficients of four bytes for each of three components
	}
	return 24 // coefficients for four, and a conversion
}

// timedReader fails when its time is over.
type timedReader struct {
	io.Reader
	until time.Time
}

func (r *timedReader) Read(p []byte) (int, error) {
	if time.Now().After(r.until) {
		return 0, fmt.Errorf("the picture takes more than %v to decode", drawTime)
	}
	return r.Reader.Read(p)
}
