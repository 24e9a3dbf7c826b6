// Package picture draws pictures in small: it decodes JPEG, PNG and GIF, shrinks
// them, turns them upright, and encodes their pixels anew and nothing else of
// them. How much memory and time that takes is bounded whatever the bytes say.
package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // registers with image.Decode, which gives the first frame
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"net/http"
	"runtime/debug"
	"time"
)

const (
	// MaxEncoded is how large the file of a picture may be in bytes.
	MaxEncoded = 128 << 20
	// maxDecoded is how much memory in bytes decoding may take: 67 million
	// pixels of an ordinary JPEG or a GIF, 13 million of a progressive JPEG,
	// 50 million of a PNG.
	maxDecoded = 192 << 20
	// maxSide bounds width and height: what decoders hold beside the picture
	// grows with its rows, however few they are.
	maxSide = 1 << 16
	// drawTime bounds the work. A progressive JPEG can ask for any amount of
	// it: each of its scans touches every pixel and may take a few bytes.
	drawTime = 20 * time.Second
	// muchMemory in bytes is given back to the machine at once.
	muchMemory = 16 << 20

	jpegQuality = 85
)

// TooLarge is a sentence about a picture that would take too much memory.
type TooLarge string

func (e TooLarge) Error() string { return string(e) }

// Is reports whether the bytes begin as a picture that can be decoded. Names
// and declared types do not count.
func Is(file io.ReaderAt) bool {
	head := make([]byte, 32)
	n, _ := file.ReadAt(head, 0) // who cannot be read shows itself later
	switch http.DetectContentType(head[:n]) {
	case "image/jpeg", "image/png", "image/gif":
		return true
	}
	return false
}

// Draw decodes the picture in a file of length bytes, and encodes it anew
// so that it stands upright and fits into size pixels each way: as JPEG, or as
// PNG where it is transparent. Nothing but the pixels is taken over. Whether
// there is memory for them is decided by the header, before any is taken.
func Draw(file io.ReaderAt, length int64, size int) ([]byte, error) {
	until := time.Now().Add(drawTime)
	fromStart := func() io.Reader { return &timedReader{io.NewSectionReader(file, 0, length), until} }
	config, orientation, memory, err := weigh(fromStart)
	if err != nil {
		return nil, err
	}
	if memory > maxDecoded || length > MaxEncoded {
		return nil, TooLarge(fmt.Sprintf("At %d × %d pixels in %d bytes, the picture is too large for one.", config.Width, config.Height, length))
	}
	if memory > muchMemory {
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

// weigh reads the head of a picture: its size, how it has to be turned, and how
// many bytes of memory decoding takes at most. That is more than in the end,
// because of what decoders hold beside.
func weigh(fromStart func() io.Reader) (config image.Config, orientation int, memory int64, err error) {
	config, format, err := image.DecodeConfig(fromStart())
	if err != nil {
		return config, 0, 0, err
	}
	if config.Width > maxSide || config.Height > maxSide {
		return config, 0, math.MaxInt64, nil
	}
	w, h, orientation := int64(config.Width), int64(config.Height), 1
	switch format {
	case "png":
		memory = w * h * pngPixel(config.ColorModel, fromStart())
	case "gif":
		memory = w * h * 3 // the frame is no larger, and is there twice while its rows are sorted
	default:
		var sequential bool
		orientation, sequential = jpegHeader(fromStart())
		// Blocks are whole at the edges, up to four of them at once.
		w, h = w+31, h+31
		memory = w * h * jpegPixel(config.ColorModel, sequential)
		if w*h*jpegMost > maxDecoded && memory <= maxDecoded && recoloured(fromStart()) {
			memory = w * h * jpegMost
		}
	}
	return config, orientation, memory + 32*int64(config.Width), nil // rows of decoding and drawing
}

// pngPixel is the memory of a pixel: whether some colour is transparent shows
// too late to count on. The passes of an interlaced one are kept once more.
func pngPixel(model color.Model, r io.Reader) (bytes int64) {
	bytes = 4
	if model == color.RGBA64Model || model == color.NRGBA64Model || model == color.Gray16Model {
		bytes = 8
	}
	const interlaced = 28 // in the file
	if head := [interlaced + 1]byte{}; read(r, head[:]) != nil || head[interlaced] != 0 {
		bytes *= 2
	}
	return bytes
}

// jpegMost is the memory of a pixel with coefficients for four components, and
// a conversion.
const jpegMost = 24

func jpegPixel(model color.Model, sequential bool) int64 {
	switch three := model == color.YCbCrModel || model == color.GrayModel; {
	case three && sequential:
		return 3
	case three:
		return 15 // coefficients of four bytes for each of three components
	}
	return jpegMost
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
