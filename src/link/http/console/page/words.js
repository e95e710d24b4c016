// The door's names for things, in words for people.

export const EVENTS = {
  access_granted: 'Let in', access_denied: 'Kept out', duress: 'Duress PIN used', unknown_face: 'Unknown face',
  no_face_timeout: 'Went away', spoof: 'Picture or screen held up', door_unlocked: 'Unlocked', door_locked: 'Locked',
  door_opened: 'Door opened', door_closed: 'Door closed', forced_open: 'Forced open', held_open: 'Held open too long',
  rex: 'Exit button', tamper: 'Housing opened', fire: 'Fire alarm', lockdown: 'Lockdown', apb_violation: 'Anti-passback',
  interlock_violation: 'Interlock', schedule_start: 'Schedule began', schedule_end: 'Schedule ended', enroll_ok: 'Enrolled',
  enroll_fail: 'Enrolment failed', person_changed: 'Person changed', person_deleted: 'Person erased',
  image_deleted: 'Pictures erased', duplicate: 'Same face twice', punch: 'Attendance', camera_fault: 'Camera fault',
  clock_step: 'Clock set', link_up: 'Broker connected', link_down: 'Broker lost', boot: 'Started',
  config_changed: 'Settings changed', model_changed: 'Models changed', admin_login: 'Console', log_gap: 'Events lost',
};
export const ALARMS = ['duress', 'spoof', 'forced_open', 'held_open', 'tamper', 'fire', 'camera_fault', 'log_gap'];

export const REASONS = {
  spoof: 'not a living face', unknown_face: 'nobody we know', low_margin: 'too much like somebody else',
  disabled: 'switched off', not_yet_valid: 'not valid yet', expired: 'no longer valid', blocklisted: 'blocked',
  no_group: 'in no group that may pass', outside_schedule: 'outside the schedule', holiday: 'holiday', lockdown: 'lockdown',
  apb: 'did not leave before', timed_apb: 'was here a moment ago', interlock: 'another door is open',
  dual_auth_pending: 'a second person is needed', dual_auth_timeout: 'no second person came',
  pin_required: 'PIN needed', pin_bad: 'wrong PIN', pin_locked: 'too many wrong tries',
};

export const RULES = {
  spoof: 'Living face', unknown_face: 'Known face', low_margin: 'Clearly this person', disabled: 'Active', not_yet_valid: 'First day',
  expired: 'Last day', blocklisted: 'Block list', no_group: 'Group', outside_schedule: 'Schedule', holiday: 'Holiday', lockdown: 'Lockdown',
  apb: 'Anti-passback', timed_apb: 'Not again so soon', interlock: 'Interlock', dual_auth_pending: 'Second person',
  dual_auth_timeout: 'Second person in time', pin_required: 'PIN', pin_bad: 'Right PIN', pin_locked: 'Wrong tries',
};

export const DOOR = {
  locked: ['Locked', 'good'], unlocking: ['Unlocking', 'warn'], open_authorized: ['Open', 'warn'],
  held_warn: ['Open for long', 'warn'], held_alarm: ['Held open', 'bad'], forced_alarm: ['Forced open', 'bad'],
  unlocked_hold: ['Held unlocked', 'warn'], lockdown: ['Lockdown', 'bad'], emergency_release: ['Emergency release', 'bad'],
  fault: ['Fault', 'bad'],
};

export const GUIDANCE = {
  look_here: 'Look into the camera', closer: 'Come closer', centre: 'Stand in the middle', face_camera: 'Face the camera',
  hold_still: 'Hold still', more_light: 'More light is needed', less_light: 'Too bright: step out of the light',
  uncover: 'Uncover the face', one_at_a_time: 'One person at a time',
};

export const QUALITY = {
  no_face: 'no face found', too_small: 'come closer', yaw: 'face the camera', pitch: 'keep the head level', blur: 'hold still',
  dark: 'more light is needed', bright: 'too bright', occluded: 'uncover the face', multiple_faces: 'one person at a time',
  out_of_zone: 'stand in the middle',
};

const DENIED = {
  not_recognised: 'Not recognised', not_allowed: 'Known, but not allowed here and now', wait: 'Too many tries: wait',
  second_person: 'A second person is needed', pin: 'A PIN is needed', closed: 'Closed to everyone',
};
export const PUNCH = {
  check_in: 'In', check_out: 'Out', break_out: 'Break begins', break_in: 'Break ends', ot_in: 'Overtime in', ot_out: 'Overtime out',
};

/** What the visitor's display says: text and kind. */
export function screen(s) {
  if (!s) return ['No display yet', ''];
  switch (s.kind) {
    case 'idle': case 'kiosk': return ['Nobody is there', ''];
    case 'look': return [GUIDANCE[s.guidance] || 'Look into the camera', ''];
    case 'welcome': return [`Welcome, ${s.name}`, 'good'];
    case 'punched': return [`${s.name}: ${PUNCH[s.punch] || s.punch}${s.again ? ' (already noted)' : ''}`, 'good'];
    case 'keypad': return [s.pin ? 'Enters a PIN' : 'Enters an id', ''];
    case 'second_person': return [`A second person is needed (${s.left_s} s)`, 'warn'];
    case 'denied': return [DENIED[s.reason] || 'Kept out', s.reason === 'not_allowed' ? 'warn' : 'bad'];
    case 'enrol': return [`Enrolment: ${GUIDANCE[s.guidance] || ''} (${s.taken} of ${s.wanted})`, 'warn'];
    case 'alarm': return [`Alarm: ${{ forced: 'forced open', held: 'held open', tamper: 'housing opened', fire: 'fire' }[s.alarm]}`, 'bad'];
    case 'setup': return ['Shows a setup code', 'warn'];
    case 'fault': return [`Fault: ${s.what}`, 'bad'];
    default: return [s.kind, ''];
  }
}

export const ROLES = {
  operator: ['Operator', 'watches the door and opens it'], enroller: ['Enroller', 'adds people and keeps their profiles'],
  attendance_clerk: ['Attendance clerk', 'keeps the attendance book'], auditor: ['Auditor', 'reads the journal, proves it, sees who looked at what'],
  admin: ['Administrator', 'may do everything'],
};
export const STATUS = { active: ['Active', 'good'], inactive: ['Switched off', 'bad'], pending: ['No face yet', 'warn'] };

/** One event as a sentence; `name` gives people their names. */
export function sentence(event, name) {
  const parts = [EVENTS[event.type] || event.type];
  if (event.person) parts.push(name(event.person));
  if (event.reason) parts.push(REASONS[event.reason] || event.reason);
  if (event.detail) parts.push(event.detail);
  return parts.join(' · ');
}

/** Settings that may be changed while the door runs: what they are called, and their unit. */
export const SETTINGS = {
  access: {
    title: 'Door', hint: 'The strike and its watch. Wiring and exit stand in the configuration file.',
    keys: {
      strike_s: ['Strike released', 'seconds, 1 to 60'], held_warn_s: ['Held open: warning after', 'seconds'], held_alarm_s: ['Held open: alarm after', 'seconds, longer than the warning'],
      two_people_s: ['Wait for the second person', 'seconds, 5 to 60'], keys_s: ['Keys wait', 'seconds, 5 to 60'], lockout_failures: ['Attacks or wrong PINs that lock the reader', '1 to 20'],
      lockout_s: ['Reader locked for', 'seconds'], relock_on_close: ['Lock again as soon as the door has opened and closed', ''], accessible: ['Everybody gets 10 seconds more', ''],
    },
  },
  recognition: {
    title: 'Recognition', hint: 'Stricter lets fewer strangers in, and sends more people back for a second look.',
    keys: {
      fpir_target: ['Strangers taken for somebody, a look', '0.000001 to 0.1'], margin: ['Lead over the second-best person', 'cosine, 0 to 0.5'],
      consistent_frames: ['Looks that must agree', '1 to 10'], unknown_frames: ['Looks before the door says no', '1 to 30'],
    },
  },
  storage: {
    title: 'What is kept', hint: 'Without both, templates alone are kept: nothing that could be looked at.',
    keys: { keep_images: ['A small picture of each enrolment', ''], keep_crops: ['The aligned face, to change models without enrolling again', ''] },
  },
  retention: {
    title: 'How long it is kept', hint: 'In days; 0 is for ever. What is older is erased once a day, and the door searches its own file for it.',
    keys: {
      events_days: ['Events', 'days'], attendance_days: ['Attendance book', 'days'], looks_days: ['Who looked', 'days'],
      leavers_days: ['People, after their last day of access', 'days'], pictures_days: ['Pictures, after the newest look', 'days'],
    },
  },
};
