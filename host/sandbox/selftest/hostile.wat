;; A guard that misbehaves as its settings say: "loop", "grow", "trap"; anything else allows.
;; The start-up self-test proves with it that plugins are contained. Core module of the world guard-plugin;
;; the test `the_committed_component_is_made_from_its_source` makes the component of it.
(module
  (memory (export "memory") 1)
  ;; Strings of the manifest.
  (data (i32.const 16) "hostile")
  (data (i32.const 24) "1.0.0")
  (data (i32.const 32) "{}")
  ;; manifest: name, version, description, emits, messages, offsets, max-span
  (data (i32.const 64) "\10\00\00\00\07\00\00\00" "\18\00\00\00\05\00\00\00")
  ;; The schema's text.
  (data (i32.const 128) "\20\00\00\00\02\00\00\00")
  ;; 192: result of configure, all zero: ok, and it looks at everything. 256: result of inspect, all zero: ok(allow).
  (global $free (mut i32) (i32.const 4096))
  (global $mode (mut i32) (i32.const 0))

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    ;; Rounded up to the alignment; never given back: an instance lives for one call.
    (local.set $at
      (i32.and
        (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func (export "almoner:plugin/lifecycle@0.1.0#describe") (result i32) (i32.const 64))
  (func (export "almoner:plugin/lifecycle@0.1.0#settings-schema") (result i32) (i32.const 128))

  ;; Remembers the first letter of the settings, a JSON string.
  (func (export "almoner:plugin/lifecycle@0.1.0#configure") (param $settings i32) (param $bytes i32) (result i32)
    (if (i32.gt_u (local.get $bytes) (i32.const 1))
      (then (global.set $mode (i32.load8_u offset=1 (local.get $settings)))))
    (i32.const 192))

  (func (export "almoner:plugin/guard@0.1.0#inspect") (param i32) (result i32)
    (if (i32.eq (global.get $mode) (i32.const 0x6c)) ;; l
      (then (loop $for_ever (br $for_ever))))
    (if (i32.eq (global.get $mode) (i32.const 0x67)) ;; g
      (then
        (loop $more
          (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (unreachable)))
    (if (i32.eq (global.get $mode) (i32.const 0x74)) ;; t
      (then (unreachable)))
    (i32.const 256))
)
