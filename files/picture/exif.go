package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// jpegHeader reads a JPEG file up to where its frame begins: how it has to be
// turned to stand upright (1 to 8, as Exif counts), and whether the frame is
// known to be sequential. It is strict: at a progressive frame and at anything
// unusual it ends, and what follows must be taken for progressive, which
// needs more memory. What it calls sequential no decoder reads otherwise.
func jpegHeader(r io.Reader) (orientation int, sequential bool) {
	const (
		soi, baseline, extended = 0xD8, 0xC0, 0xC1
		dht, dqt, dri           = 0xC4, 0xDB, 0xDD
		app0, app1, app15, com  = 0xE0, 0xE1, 0xEF, 0xFE
	)
	orientation = 1
	b := bufio.NewReader(r)
	if start := [2]byte{}; read(b, start[:]) != nil || start != [2]byte{0xFF, soi} {
		return orientation, false
	}
	for {
		var head [4]byte // FF, marker, length with itself
		if read(b, head[:]) != nil || head[0] != 0xFF {
			return orientation, false
		}
		length := int(binary.BigEndian.Uint16(head[2:])) - 2
		switch marker := head[1]; {
		case marker == baseline || marker == extended:
			return orientation, true
		case length < 0:
			return orientation, false
		case marker == app1:
			segment := make([]byte, length)
			if read(b, segment) != nil {
				return orientation, false
			}
			if o := exifOrientation(segment); o != 0 {
				orientation = o
			}
		case marker == dht || marker == dqt || marker == dri || app0 <= marker && marker <= app15 || marker == com:
			if _, err := b.Discard(length); err != nil {
				return orientation, false
			}
		default:
			return orientation, false
		}
	}
}

// recoloured reports whether a JPEG file has a segment behind the beginning of
// its frame that may make the decoder take its colours for others than the
// head says, which needs more memory. Nobody's camera does that.
func recoloured(r io.Reader) bool {
	const sof0, sof2, eoi, app0, app14, rst0, rst7 = 0xC0, 0xC2, 0xD9, 0xE0, 0xEE, 0xD0, 0xD7
	b := bufio.NewReaderSize(r, 64<<10)
	_, _ = b.Discard(2) // the start of the image, a marker without a length
	for framed := false; ; {
		// What is no marker is skipped, as decoders do it.
		if _, err := b.ReadSlice(0xFF); errors.Is(err, bufio.ErrBufferFull) {
			continue
		} else if err != nil {
			return false
		}
		marker, err := b.ReadByte()
		for err == nil && marker == 0xFF {
			marker, err = b.ReadByte()
		}
		switch {
		case err != nil || marker == eoi:
			return false
		case marker == 0 || rst0 <= marker && marker <= rst7:
			continue // data, or a marker alone
		case framed && (marker == app0 || marker == app14):
			return true
		}
		framed = framed || sof0 <= marker && marker <= sof2
		var size [2]byte
		if read(b, size[:]) != nil {
			return false
		}
		if _, err := b.Discard(max(0, int(binary.BigEndian.Uint16(size[:]))-2)); err != nil {
			return false
		}
	}
}

func read(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	return err
}

// exifOrientation finds the orientation in an APP1 segment of Exif, whose
// heart is a TIFF file: the first directory's tag 0x0112. 0 is none. What
// points outside of the segment is not followed.
func exifOrientation(segment []byte) int {
	tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00"))
	if !ok || len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := uint64(order.Uint32(tiff[4:]))
	if order.Uint16(tiff[2:]) != 42 || at+2 > uint64(len(tiff)) {
		return 0
	}
	entries := order.Uint16(tiff[at:])
	const entrySize, orientationTag, short = 12, 0x0112, 3
	for entry := tiff[at+2:]; entries > 0 && len(entry) >= entrySize; entry = entry[entrySize:] {
		entries--
		if order.Uint16(entry) != orientationTag || order.Uint16(entry[2:]) != short {
			continue
		}
		if o := order.Uint16(entry[8:]); 1 <= o && o <= 8 {
			return int(o)
		}
	}
	return 0
}
