package files_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"homebase/files"
	"homebase/files/picture/picturetest"
	"homebase/httpx/httpxtest"
)

// named is the colour that c is nearest to, by its first letter.
func named(c color.Color) byte {
	r, g, b, _ := c.RGBA()
	bright := func(v uint32) bool { return v > 0x8000 }
	switch [3]bool{bright(r), bright(g), bright(b)} {
	case [3]bool{true, false, false}:
		return 'r'
	case [3]bool{false, true, false}:
		return 'g'
	case [3]bool{false, false, true}:
		return 'b'
	case [3]bool{true, true, true}:
		return 'w'
	}
	return '?'
}

// corners are the colours of a picture's quarters, row by row.
func corners(m image.Image) string {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	var s []byte
	for _, p := range []image.Point{{w / 4, h / 4}, {w * 3 / 4, h / 4}, {w / 4, h * 3 / 4}, {w * 3 / 4, h * 3 / 4}} {
		s = append(s, named(m.At(p.X, p.Y)))
	}
	return string(s)
}

// withExif puts an APP1 segment behind a JPEG's first marker: a directory with
// the orientation and a place that nobody should learn.
func withExif(picture []byte, order binary.AppendByteOrder, orientation uint16) []byte {
	mark := map[binary.AppendByteOrder]string{binary.BigEndian: "MM", binary.LittleEndian: "II"}[order]
	tiff := order.AppendUint16([]byte(mark), 42)
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, e := range []struct {
		tag, kind uint16
		count     uint32
	}{{0x010F, 2, 20}, {0x0112, 3, 1}} {
		tiff = order.AppendUint16(order.AppendUint16(tiff, e.tag), e.kind)
		tiff = order.AppendUint32(tiff, e.count)
		tiff = order.AppendUint16(order.AppendUint16(tiff, orientation), 0)
	}
	return withSegment(picture, 0xE1, "Exif\x00\x00"+string(tiff)+"GPS 46.9480 N 7.4474 E")
}

func withSegment(picture []byte, marker byte, body string) []byte {
	head := binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(body)+2))
	return slices.Concat(picture[:2], head, []byte(body), picture[2:])
}

// hugePNG says that it is of that size, which nothing in it is.
func hugePNG(w, h uint32) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return []byte("\x89PNG\r\n\x1a\n" + picturetest.Chunk("IHDR", string(head)+"\x10\x06\x00\x00\x00") + picturetest.Chunk("IDAT", strings.Repeat("\x00", 4000)) + picturetest.Chunk("IEND", ""))
}

// store keeps a picture and returns where its thumbnail is.
func store(t testing.TB, c *httpxtest.Client, name string, body []byte) (at string) {
	t.Helper()
	a := c.Do("PUT", "/files/content/images/"+name, body)
	if a.Status != 200 {
		a.Want(t, 201)
	}
	return "/files/items/" + decode[item](t, a).ID + "/thumbnail"
}

func picture(t testing.TB, a *httpxtest.Answer) image.Image {
	t.Helper()
	m, format, err := image.Decode(bytes.NewReader(a.Want(t, 200).Body))
	if err != nil || a.Header.Get("Content-Type") != "image/"+format {
		t.Fatalf("got a %s as %s: %v", format, a.Header.Get("Content-Type"), err)
	}
	return m
}

func TestThumbnail_StandsUprightWhateverTheCameraHeld(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	plain := picturetest.JPEG(t, picturetest.Quarters(120, 80))
	for orientation, want := range map[uint16]string{
		0: "rgbw", 1: "rgbw", 2: "grwb", 3: "wbgr", 4: "bwrg", 5: "rbgw", 6: "brwg", 7: "wgbr", 8: "gwrb", 9: "rgbw",
	} {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			a := c.Do("GET", store(t, c, fmt.Sprint(orientation, order), withExif(plain, order, orientation)), nil)
			m := picture(t, a)
			if got := corners(m); got != want {
				t.Errorf("orientation %d (%v): got %s, want %s", orientation, order, got, want)
			}
			size := image.Pt(120, 80)
			if orientation >= 5 && orientation <= 8 {
				size = image.Pt(80, 120)
			}
			if m.Bounds().Size() != size {
				t.Errorf("orientation %d: got %v, want %v: never larger than it was", orientation, m.Bounds().Size(), size)
			}
			if bytes.Contains(a.Body, []byte("GPS")) || bytes.Contains(a.Body, []byte("Exif")) {
				t.Errorf("orientation %d: the metadata came out", orientation)
			}
		}
	}
}

func TestThumbnail_ComesInFewSizesAndKeepsItsProportions(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	at := store(t, c, "wide.png", picturetest.PNG(t, picturetest.Quarters(1501, 1001)))
	for asked, want := range map[string]image.Point{
		"": {256, 171}, "?size=1": {64, 43}, "?size=64": {64, 43}, "?size=65": {128, 85}, "?size=1000": {1024, 683}, "?size=999999": {1501, 1001},
	} {
		m := picture(t, c.Do("GET", at+asked, nil))
		if m.Bounds().Size() != want || corners(m) != "rgbw" {
			t.Errorf("%s: got %v %s, want %v", asked, m.Bounds().Size(), corners(m), want)
		}
	}
	thin := picture(t, c.Do("GET", store(t, c, "thin.png", picturetest.PNG(t, picturetest.Quarters(4000, 1))), nil))
	if thin.Bounds().Size() != image.Pt(256, 1) {
		t.Errorf("a thin one: got %v", thin.Bounds().Size())
	}
	for _, size := range []string{"0", "-1", "x", "1.5", "99999999999999999999"} {
		c.Do("GET", at+"?size="+size, nil).WantProblem(t, 400, "invalid_parameter")
	}
	c.Do("GET", at+"?sizes=1", nil).WantProblem(t, 400, "unknown_parameter")
}

func TestThumbnail_TransparentPixelsHaveNoColour(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	// Red and invisible green by turns: red that is half transparent.
	m := image.NewNRGBA(image.Rect(0, 0, 512, 512))
	for i := 0; i < len(m.Pix); i += 8 {
		copy(m.Pix[i:], []byte{255, 0, 0, 255, 0, 255, 0, 0})
	}
	for name, body := range map[string][]byte{"a.png": picturetest.PNG(t, m), "deep.png": picturetest.PNG(t, deep(m))} {
		got := color.NRGBAModel.Convert(picture(t, c.Do("GET", store(t, c, name, body), nil)).At(100, 100))
		if got != (color.NRGBA{255, 0, 0, 128}) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	// The first frame of an animation, which covers a part of its screen.
	frame := image.NewPaletted(image.Rect(200, 100, 400, 200), palette.Plan9)
	second := image.NewPaletted(image.Rect(0, 0, 400, 200), palette.Plan9)
	for i := range frame.Pix {
		frame.Pix[i] = uint8(frame.Palette.Index(picturetest.Blue))
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame, second}, Delay: []int{1, 1}, Config: image.Config{Width: 400, Height: 200}}); err != nil {
		t.Fatal(err)
	}
	g := picture(t, c.Do("GET", store(t, c, "a.gif", b.Bytes())+"?size=128", nil))
	if _, _, _, alpha := g.At(10, 10).RGBA(); g.Bounds().Size() != image.Pt(128, 64) || alpha != 0 || named(g.At(100, 50)) != 'b' {
		t.Errorf("got %v, %v and %v", g.Bounds().Size(), g.At(10, 10), g.At(100, 50))
	}
}

// deep is m with 16 bits a channel.
func deep(m image.Image) image.Image {
	d := image.NewNRGBA64(m.Bounds())
	for y := range d.Rect.Dy() {
		for x := range d.Rect.Dx() {
			d.Set(x, y, m.At(x, y))
		}
	}
	return d
}

func TestThumbnail_WhatIsNoSoundPictureHasNone(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	sound := picturetest.JPEG(t, picturetest.Quarters(300, 300))
	exif := func(tiff string) []byte { return withSegment(sound, 0xE1, "Exif\x00\x00"+tiff) }
	for name, body := range map[string][]byte{
		"empty.png": nil, "text.jpg": []byte("no picture"), "page.png": []byte("<html><script>"), "vector.svg": []byte("<svg xmlns='x'/>"),
		"cut.jpg": sound[:len(sound)/2], "head.jpg": sound[:20], "marker.jpg": []byte("\xff\xd8\xff"), "head.png": []byte("\x89PNG\r\n\x1a\n"), "head.gif": []byte("GIF89a"),
		"zero.gif": []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00;"), "web.webp": []byte("RIFF\x00\x00\x00\x00WEBPVP8 "),
		// Bombs: what they would need is not there.
		"bomb.png": hugePNG(65535, 65535), "bomb2.png": hugePNG(1<<30, 1<<30), "bomb3.png": hugePNG(1<<31-1, 1<<31-1), "strip.png": hugePNG(1<<31-1, 1),
		"bomb.gif": []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00abcabc,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x01\x00\x00;"),
		"bomb.jpg": bytes.Replace(sound, []byte{8, 300 >> 8, 300 & 255, 300 >> 8, 300 & 255, 3}, []byte{8, 255, 255, 255, 255, 3}, 1),
		// 64 million pixels are not too many, except in a progressive one.
		"progressive.jpg": bytes.Replace(sound, []byte{0xFF, 0xC0, 0, 17, 8, 300 >> 8, 300 & 255, 300 >> 8, 300 & 255}, []byte{0xFF, 0xC2, 0, 17, 8, 31, 64, 31, 64}, 1),
		"disguised.jpg":   withSegment(bytes.Replace(sound, []byte{0xFF, 0xC0, 0, 17, 8, 300 >> 8, 300 & 255, 300 >> 8, 300 & 255}, []byte{0xFF, 0xD0, 0xFF, 0xC2, 0, 17, 8, 31, 64, 31, 64}, 1), 0xFE, "x"),
	} {
		at := store(t, c, name, body)
		for range 2 {
			c.Do("GET", at, nil).WantProblem(t, 415, "no_preview")
		}
	}
	if list := h.cacheFiles(t); len(list) > 0 {
		t.Errorf("%v lie in the cache", list)
	}
	// An Exif block that points anywhere spoils nothing.
	for i, tiff := range []string{"", "MM", "MM\x00\x2a\xff\xff\xff\xff", "MM\x00\x2a\x00\x00\x00\x08", "II\x2a\x00\x08\x00\x00\x00\xff\xff", "MM\x00\x2a\x00\x00\x00\x08\xff\xff" + strings.Repeat("\x01\x12\x00\x03\x00\x00\x00\x01\xff\xff\x00\x00", 9) + "\x01\x12", "XX\x00\x2a\x00\x00\x00\x00"} {
		if got := corners(picture(t, c.Do("GET", store(t, c, fmt.Sprint("exif", i), exif(tiff)), nil))); got != "rgbw" {
			t.Errorf("Exif %q: got %s", tiff, got)
		}
	}
	folder := decode[item](t, c.Do("GET", "/files/lookup?path=/images", nil).Want(t, 200))
	c.Do("GET", "/files/items/"+folder.ID+"/thumbnail", nil).WantProblem(t, 409, "not_a_file")
	// The content decides, not the name.
	picture(t, c.Do("GET", store(t, c, "photo.txt", sound), nil))
}

func TestThumbnail_IsForItsOwnerAloneAndFollowsTheContentAtOnce(t *testing.T) {
	t.Parallel()
	h := start(t)
	ann, id := h.member(t, "ann@example.com")
	bob, _ := h.member(t, "bob@example.com")
	at := store(t, ann, "a.png", picturetest.PNG(t, picturetest.Quarters(100, 100)))
	first := ann.Do("GET", at, nil).Want(t, 200)
	tag := first.Header.Get("ETag")
	if got := first.Header.Get("Cache-Control"); got != "private, no-cache" || !strings.HasPrefix(tag, `"`) {
		t.Errorf("got Cache-Control %s, ETag %s", got, tag)
	}
	again := ann.Do("GET", at, nil).Want(t, 200)
	wantBytes(t, again.Body, first.Body)
	if head := ann.Do("HEAD", at, nil).Want(t, 200); head.Header.Get("Content-Length") != fmt.Sprint(len(first.Body)) {
		t.Errorf("HEAD says %v", head.Header)
	}
	ann.Do("GET", at, nil, httpxtest.WithHeader("If-None-Match", tag)).Want(t, 304)
	bob.Do("GET", at, nil).WantProblem(t, 404, "not_found")
	h.Client(t).Do("GET", at, nil).WantProblem(t, 401, "unauthenticated")

	turned := picturetest.PNG(t, image.NewNRGBA(image.Rect(0, 0, 10, 10)))
	store(t, ann, "a.png", turned)
	if a := ann.Do("GET", at, nil, httpxtest.WithHeader("If-None-Match", tag)); picture(t, a).Bounds().Dx() != 10 {
		t.Error("the replaced picture is still shown")
	}
	// Edited on the disk, before anybody has taken it over.
	if err := os.WriteFile(h.place(id, "images", "a.png"), picturetest.PNG(t, picturetest.Quarters(20, 20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if m := picture(t, ann.Do("GET", at, nil)); m.Bounds().Dx() != 20 || corners(m) != "rgbw" {
		t.Errorf("after an edit on the disk: got %v", m.Bounds())
	}
	ann.Do("DELETE", strings.TrimSuffix(at, "/thumbnail"), nil).Want(t, 204)
	ann.Do("GET", at, nil).WantProblem(t, 404, "not_found")
}

// cacheFiles are the renditions on the disk.
func (h *house) cacheFiles(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(h.data, "cache", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestThumbnail_FortyAtOnceAreDrawnOnce(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	at := store(t, c, "a.png", picturetest.PNG(t, picturetest.Quarters(1500, 1500)))
	// The kernel tells how often a drawn picture gets its name in the cache.
	watch, err := syscall.InotifyInit1(syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(watch)
	if _, err := syscall.InotifyAddWatch(watch, filepath.Join(h.data, "cache"), syscall.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { c.Do("GET", at, nil).Want(t, http.StatusOK) })
	}
	all.Wait()
	drawn, buffer := 0, make([]byte, 64<<10)
	n, err := syscall.Read(watch, buffer)
	for ; err == nil && n >= syscall.SizeofInotifyEvent; drawn++ {
		size := syscall.SizeofInotifyEvent + int((*syscall.InotifyEvent)(unsafe.Pointer(&buffer[0])).Len)
		buffer, n = buffer[size:], n-size
	}
	if drawn != 1 {
		t.Errorf("it was drawn %d times: %v", drawn, err)
	}
}

func TestThumbnail_TheCacheIsBoundedAndMayGoAtAnyTime(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	at := store(t, c, "a.png", picturetest.PNG(t, picturetest.Quarters(300, 300)))
	first := c.Do("GET", at, nil).Want(t, 200)
	mine := h.cacheFiles(t)
	if len(mine) != 1 {
		t.Fatalf("got %v", mine)
	}
	// Others of 1 GiB in all, which use no blocks; one is older than ours.
	for name, age := range map[string]time.Duration{"new": 0, "old": 48 * time.Hour} {
		p := filepath.Join(h.data, "cache", name)
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(p, 1<<29-1<<14); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, time.Now(), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	// Ours has been of use today, so it stays though it was made long ago.
	long := time.Now().Add(-96 * time.Hour)
	if err := os.Chtimes(mine[0], long, long); err != nil {
		t.Fatal(err)
	}
	c.Do("GET", at, nil).Want(t, 200)
	h.run(t, "files.cache")
	if got := h.cacheFiles(t); len(got) != 3 {
		t.Errorf("%v: something was deleted before the cache was full", got)
	}
	if err := os.Truncate(filepath.Join(h.data, "cache", "new"), 1<<29+1); err != nil {
		t.Fatal(err)
	}
	h.run(t, "files.cache")
	if got := h.cacheFiles(t); len(got) != 2 || slices.Contains(got, filepath.Join(h.data, "cache", "old")) || !slices.Contains(got, mine[0]) {
		t.Errorf("%v are left", got)
	}
	// A power cut or a person may leave anything there.
	if err := os.Truncate(mine[0], 0); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, c.Do("GET", at, nil).Want(t, 200).Body, first.Body)
	if err := os.RemoveAll(filepath.Join(h.data, "cache")); err != nil {
		t.Fatal(err)
	}
	h.run(t, "files.cache")
	wantBytes(t, c.Do("GET", at, nil).Want(t, 200).Body, first.Body)
	if got := h.cacheFiles(t); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestThumbnail_IsShownThoughTheCacheTakesNothing(t *testing.T) {
	t.Parallel()
	floor := int64(0)
	h := start(t, func(c *files.Config) { c.MinFree = floor })
	c, _ := h.member(t, "ann@example.com")
	at := store(t, c, "a.png", picturetest.PNG(t, picturetest.Quarters(300, 300)))
	floor = 1 << 60 // the next worker finds the disk full
	other := h.second(t).SignIn(t, "ann@example.com")
	picture(t, other.Do("GET", at, nil))
	if list := h.cacheFiles(t); len(list) > 0 {
		t.Errorf("%v went to a full disk", list)
	}
	if err := os.Remove(filepath.Join(h.data, "cache")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.data, "cache"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	picture(t, c.Do("GET", at, nil))
}
